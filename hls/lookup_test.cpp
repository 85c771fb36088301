// Every code of four channels with tables of their own, two a word.
#include "lookup.hpp"
#include "simulation/test_bench.hpp"

struct Table {
  static int64_t code(int word, int lane, int code) { return (code * (lane ? 5 : 11) + word) & 31; }
};

int main() {
  int codes[4 * 16], expected[4 * 16];
  for (int i = 0; i < 4 * 16; ++i) {
    codes[i] = i / 4;
    expected[i] = int(Table::code(i / 2 % 2, i % 2, codes[i]));
  }
  hls::stream<pyqkit::Word<ap_uint<4>, 2>> in("in", 100);
  hls::stream<pyqkit::Word<ap_uint<5>, 2>> out("out", 100);
  send<ap_uint<4>, 2>(in, codes, 64);
  pyqkit::lookup<4, 5, 16, 4, 2, Table>(in, out);
  expect<ap_uint<5>, 2>(out, expected, 64);
  return finish_bench();
}
