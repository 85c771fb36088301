// Scaled sums on the stream: every lane and kept column in order, signed, with TLAST on the last word alone.
#include "array/raw.hpp"

#include "simulation/array_machine.hpp"

int main() {
  Small::Accumulators accumulators;
  Small::Parameters parameters;
  draw(accumulators);
  draw(parameters);
  for (int i = 0; i < 100; ++i) {
    hls::stream<pyqkit::Beat<8>> out("out", 100);
    Small::Post post = {};
    post.bank = drawn(2), post.accumulator = drawn(20), post.pitch = drawn(16), post.terms = between(1, 3);
    post.rows = between(1, 3), post.columns = between(1, 3), post.lanes = between(1, 2);
    post.parameters = drawn(20);
    post.channels = (post.lanes - 1) * Small::COLUMNS + between(1, Small::COLUMNS);
    const bool ends = drawn(2);
    pyqkit::array::raw<Small>(post, accumulators, parameters, ends, out);
    const int count = post.rows * post.columns * post.channels;
    CHECK_EQUAL(out.size(), count);
    for (int word = 0; word < count && !failures; ++word) {
      const int position = word / post.channels, channel = word % post.channels;
      const int lane = channel / Small::COLUMNS, column = channel % Small::COLUMNS;
      long long sum = 0;
      for (int term = 0; term < post.terms; ++term) {
        const int at = post.accumulator + term * post.pitch + position;
        const unsigned long long item = parameters.words[post.parameters + lane * post.terms + term][column];
        const long long x = accumulators.sum(post.bank, at, column, lane);
        sum = wrapped(sum + x * wrapped(item, 16) + wrapped(item >> 16, 48), 48);
      }
      const pyqkit::Beat<8> beat = out.read();
      CHECK_EQUAL((long long)(unsigned long long)(beat.data), sum);
      CHECK_EQUAL(beat.last, ends && word == count - 1);
    }
  }
  return finish_bench();
}
