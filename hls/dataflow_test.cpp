// Two processes that swap hands over a FIFO of two words, and a deadlock that names the stream it hangs on.
#include <cstring>

#include "simulation/test_bench.hpp"

int main() {
  simulation::Scheduler &scheduler = simulation::Scheduler::instance();
  hls::stream<int> numbers("numbers", 2), empty("empty", 2);
  long long sum = 0;
  scheduler.add("producer", [&]() {
    for (int i = 0; i < 1000; ++i) numbers.write(i);
  });
  scheduler.add("consumer", [&]() {
    for (int i = 0; i < 1000; ++i) sum += numbers.read();
  });
  CHECK_EQUAL(scheduler.run().size(), 0);
  CHECK_EQUAL(sum, 499500);
  scheduler.add("waiter", [&]() { empty.read(); });
  CHECK_EQUAL(std::strcmp(scheduler.run().c_str(), "waiter waits to read the empty stream empty"), 0);
  return finish_bench();
}
