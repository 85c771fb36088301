// A signed and an unsigned branch with constants of both signs.
#include "add.hpp"
#include "simulation/test_bench.hpp"

struct Table {
  static int64_t left(int, int lane) { return lane ? -3 : 2; }
  static int64_t right(int, int lane) { return lane ? 5 : 1; }
};

int main() {
  int a[32], b[32], expected[32];
  for (int i = 0; i < 32; ++i) {
    a[i] = i % 16;
    b[i] = (i * 7) % 16;
    const int x = a[i] < 8 ? a[i] : a[i] - 16;
    expected[i] = int(x * Table::left(0, i % 2) + b[i] * Table::right(0, i % 2)) & 0x1ff;
  }
  hls::stream<pyqkit::Word<ap_uint<4>, 2>> left("left", 100), right("right", 100);
  hls::stream<pyqkit::Word<ap_uint<9>, 2>> out("out", 100);
  send<ap_uint<4>, 2>(left, a, 32);
  send<ap_uint<4>, 2>(right, b, 32);
  pyqkit::add<pyqkit::Integer<4, true>, pyqkit::Integer<4, false>, 9, 16, 2, 2, Table>(left, right, out);
  expect<ap_uint<9>, 2>(out, expected, 32);
  return finish_bench();
}
