// Thresholds at, just below and just above each step, rising and falling; rescaling of every tie.
#include "requantise.hpp"
#include "simulation/test_bench.hpp"

static const int steps[2][3] = {{-5, 0, 7}, {-2, 3, 3}};

struct Table {
  static int64_t threshold(pyqkit::Step<1>, int, int lane, int) { return steps[lane][1]; }
  static int64_t threshold(pyqkit::Step<0>, int, int lane, int above) { return steps[lane][2 * above]; }
  static int64_t falling(int, int lane) { return lane; }
  static int64_t code(int index) {
    static const int codes[4] = {2, 3, 0, 1};
    return codes[index];
  }
};

struct Scale {
  static int64_t multiplier(int, int lane) { return lane ? -1 : 1; }
  static int64_t offset(int, int) { return 0; }
};

int main() {
  typedef pyqkit::Integer<6, true> In;
  int codes[2 * 64], expected[2 * 64], scaled[2 * 64];
  for (int x = -32; x < 32; ++x)
    for (int channel = 0; channel < 2; ++channel) {
      int passed = 0;
      for (int i = 0; i < 3; ++i) passed += x >= steps[channel][i];
      const int at = (x + 32) * 2 + channel;
      codes[at] = x & 63;
      expected[at] = int(Table::code(channel ? 3 - passed : passed));
      const int y = channel ? -x : x;  // divided by 4, half to even, held to -5..5
      const int floor = y >> 2, rest = y & 3;
      const int rounded = floor + (rest > 2 || (rest == 2 && (floor & 1)));
      scaled[at] = (rounded < -5 ? -5 : rounded > 5 ? 5 : rounded) & 15;
    }
  hls::stream<pyqkit::Word<ap_uint<6>, 2>> in("in", 1000);
  hls::stream<pyqkit::Word<ap_uint<2>, 2>> out("out", 1000);
  send<ap_uint<6>, 2>(in, codes, 128);
  pyqkit::threshold<In, 2, 64, 2, 2, 2, Table>(in, out);
  expect<ap_uint<2>, 2>(out, expected, 128);
  hls::stream<pyqkit::Word<ap_uint<4>, 2>> wide("wide", 1000);
  send<ap_uint<6>, 2>(in, codes, 128);
  pyqkit::rescale<In, 4, 64, 2, 2, 2, 9, 2, false, Scale>(in, wide, -5, 5, 0);
  expect<ap_uint<4>, 2>(wide, scaled, 128);
  return finish_bench();
}
