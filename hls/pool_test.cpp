// Largest E2M1 value and sum of signed integers over windows of three pixels.
#include "pool.hpp"
#include "simulation/test_bench.hpp"

int main() {
  typedef pyqkit::Minifloat<2, 1, true> E2M1;
  int codes[24], largest[8], sums[8];
  for (int i = 0; i < 24; ++i) codes[i] = (i * 5 + 9) % 16;
  for (int window = 0; window < 2; ++window)
    for (int channel = 0; channel < 4; ++channel) {
      int best = codes[window * 12 + channel], sum = 0;
      for (int position = 0; position < 3; ++position) {
        const int code = codes[window * 12 + position * 4 + channel];
        if (E2M1::decode(code) > E2M1::decode(best)) best = code;
        sum += code < 8 ? code : code - 16;
      }
      largest[window * 4 + channel] = best;
      sums[window * 4 + channel] = sum & 63;
    }
  hls::stream<pyqkit::Word<ap_uint<4>, 2>> in("in", 100), out("out", 100);
  send<ap_uint<4>, 2>(in, codes, 24);
  pyqkit::max_pool<E2M1, 2, 3, 4, 2>(in, out);
  expect<ap_uint<4>, 2>(out, largest, 8);
  hls::stream<pyqkit::Word<ap_uint<6>, 2>> wide("wide", 100);
  send<ap_uint<4>, 2>(in, codes, 24);
  pyqkit::sum_pool<pyqkit::Integer<4, true>, 6, 2, 3, 4, 2>(in, wide);
  expect<ap_uint<6>, 2>(wide, sums, 8);
  return finish_bench();
}
