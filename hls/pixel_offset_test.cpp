// Three pixels of four signed channels, each with a factor, and an offset of each element; a second frame takes them again.
#include "pixel_offset.hpp"
#include "simulation/test_bench.hpp"

struct Table {
  static int factor(int word, int lane) {
    static const int factors[2][2] = {{3, -8}, {0, 1}};
    return factors[word][lane];
  }
  static int offset(int trip, int lane) { return (trip * 2 + lane) * 11 - 60; }
};

int main() {
  int codes[24], sums[24];
  for (int i = 0; i < 24; ++i) {
    codes[i] = (i * 5 + 9) % 16;
    const int x = codes[i] < 8 ? codes[i] : codes[i] - 16;
    sums[i] = (x * Table::factor(i / 2 % 2, i % 2) + i % 12 * 11 - 60) & 255;
  }
  hls::stream<pyqkit::Word<ap_uint<4>, 2>> in("in", 100);
  hls::stream<pyqkit::Word<ap_uint<8>, 2>> out("out", 100);
  send<ap_uint<4>, 2>(in, codes, 24);
  for (int frame = 0; frame < 2; ++frame)
    pyqkit::pixel_offset<pyqkit::Integer<4, true>, 8, 3, 4, 2, Table>(in, out);
  expect<ap_uint<8>, 2>(out, sums, 24);
  return finish_bench();
}
