// Three pixels of four signed channels, each pixel times a factor of its own; a second frame takes them again.
#include "pixel_scale.hpp"
#include "simulation/test_bench.hpp"

struct Table {
  static int factor(int pixel) {
    static const int factors[3] = {9, 1, 6};
    return factors[pixel];
  }
};

int main() {
  int codes[24], products[24];
  for (int i = 0; i < 24; ++i) {
    codes[i] = (i * 5 + 9) % 16;
    products[i] = (codes[i] < 8 ? codes[i] : codes[i] - 16) * Table::factor(i / 4 % 3) & 255;
  }
  hls::stream<pyqkit::Word<ap_uint<4>, 2>> in("in", 100);
  hls::stream<pyqkit::Word<ap_uint<8>, 2>> out("out", 100);
  send<ap_uint<4>, 2>(in, codes, 24);
  for (int frame = 0; frame < 2; ++frame)
    pyqkit::pixel_scale<pyqkit::Integer<4, true>, 8, 3, 4, 2, Table>(in, out);
  expect<ap_uint<8>, 2>(out, products, 24);
  return finish_bench();
}
