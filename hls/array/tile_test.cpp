// A family that multiplies bytes in two lanes, so that rows, columns and lanes can be told apart.
#include "array/tile.hpp"

#include "simulation/test_bench.hpp"

struct Bytes {
  static const int LANES = 2, SUM = 24;
  typedef int Number;
  typedef int Weight;
  int less;
  Number number(ap_uint<8> code) const { return int(code); }
  Weight weight(ap_uint<8> slot) const { return int(slot) - less; }
  void add(pyqkit::Exact<SUM> (&sums)[LANES], Number number, Weight weight) const {
    sums[0] += number * weight;
    sums[1] += number - weight;
  }
};

int main() {
  const int ROWS = 4, COLUMNS = 3, POSITIONS = 5;
  hls::stream<pyqkit::Word<ap_uint<8>, ROWS>> in("in", 100);
  hls::stream<pyqkit::Word<ap_uint<24>, 2 * COLUMNS>> out("out", 100);
  int words[ROWS + POSITIONS][ROWS];
  for (int word = 0; word < ROWS + POSITIONS; ++word)
    for (int slot = 0; slot < ROWS; ++slot) words[word][slot] = (37 * word + 91 * slot + 5) & 255;
  send(in, &words[0][0], (ROWS + POSITIONS) * ROWS);
  const Bytes family = {7};
  pyqkit::array::tile<Bytes, ROWS, COLUMNS, POSITIONS>(in, out, family);
  int expected[POSITIONS][2][COLUMNS];
  for (int position = 0; position < POSITIONS; ++position)
    for (int column = 0; column < COLUMNS; ++column) {
      int products = 0, differences = 0;
      for (int row = 0; row < ROWS; ++row) {
        const int number = words[ROWS + position][row], weight = words[row][column] - 7;
        products += number * weight;
        differences += number - weight;
      }
      expected[position][0][column] = products & 0xffffff;
      expected[position][1][column] = differences & 0xffffff;
    }
  expect(out, &expected[0][0][0], POSITIONS * 2 * COLUMNS);
  return finish_bench();
}
