// All pairs of a signed and an unsigned code.
#include "stream_product.hpp"
#include "simulation/test_bench.hpp"

int main() {
  int a[64], b[64], expected[64];
  for (int i = 0; i < 64; ++i) {
    a[i] = i % 8;
    b[i] = i / 8;
    expected[i] = ((a[i] < 4 ? a[i] : a[i] - 8) * b[i]) & 63;
  }
  hls::stream<pyqkit::Word<ap_uint<3>, 2>> left("left", 100), right("right", 100);
  hls::stream<pyqkit::Word<ap_uint<6>, 2>> out("out", 100);
  send<ap_uint<3>, 2>(left, a, 64);
  send<ap_uint<3>, 2>(right, b, 64);
  typedef pyqkit::IntegerProduct<pyqkit::Integer<3, true>, pyqkit::Integer<3, false>, 7> Multiplier;
  pyqkit::stream_product<Multiplier, 3, 3, 6, 16, 4, 2>(left, right, out);
  expect<ap_uint<6>, 2>(out, expected, 64);
  return finish_bench();
}
