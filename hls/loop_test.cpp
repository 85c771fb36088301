// Two frames through three passes of a process that adds one: each comes out three higher, behind the last pass alone.
#include "loop.hpp"
#include "simulation/test_bench.hpp"

typedef pyqkit::Word<ap_uint<8>, 2> Pair;
static const int WORDS = 3, PASSES = 3, frames = 2;

static void more(hls::stream<Pair> &in, hls::stream<Pair> &out, int pass) {
  for (int trip = 0; trip < WORDS; ++trip) {
    Pair word = in.read();
    for (int lane = 0; lane < 2; ++lane) word.lane[lane] = ap_uint<8>(word.lane[lane] + ap_uint<8>(pass + 1));
    out.write(word);
  }
}

int main() {
  int given[frames * WORDS * 2], expected[frames * WORDS * 2];
  for (int i = 0; i < frames * WORDS * 2; ++i) {
    given[i] = 7 * i;
    expected[i] = given[i] + 1 + 2 + 3;
  }
  hls::stream<Pair> in("in", 100), out("out", 100), back("back", WORDS), entered("entered"), left("left");
  send<ap_uint<8>, 2>(in, given, frames * WORDS * 2);
  PYQKIT_PASSES_PROCESS("entry", PASSES, pyqkit::loop_entry<ap_uint<8>, WORDS, 2>(in, back, entered, pass));
  PYQKIT_PASSES_PROCESS("more", PASSES, more(entered, left, pass));
  PYQKIT_PASSES_PROCESS("exit", PASSES,
                        pyqkit::loop_exit<ap_uint<8>, WORDS, 2, PASSES>(left, back, out, pass));
  const std::string stuck = simulation::Scheduler::instance().run();
  CHECK_EQUAL(stuck.size(), 0);
  CHECK_EQUAL(simulation::Scheduler::instance().trips().at("exit"), PASSES * WORDS);
  expect<ap_uint<8>, 2>(out, expected, frames * WORDS * 2);
  CHECK_EQUAL(back.size(), 0);
  return finish_bench();
}
