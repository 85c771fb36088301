// Two tiles one after the other; the second one is loaded while the first one multiplies.
#include "array/tile.hpp"

#include "simulation/array_machine.hpp"

static const int ROWS = 4, COLUMNS = 3;
typedef pyqkit::array::Tile<Bytes, ROWS, COLUMNS> Tile;

static void check(const Tile &tile, const Bytes &family, const int (&weights)[ROWS][COLUMNS]) {
  int numbers[ROWS];
  for (int &number : numbers) number = drawn(256);
  for (int column = 0; column < COLUMNS; ++column) {
    int products = 0, differences = 0;
    for (int row = 0; row < ROWS; ++row) {
      products += numbers[row] * weights[row][column];
      differences += numbers[row] - weights[row][column];
    }
    pyqkit::Exact<24> sums[2];
    tile.multiply(family, numbers, column, sums);
    CHECK_EQUAL(sums[0], products);
    CHECK_EQUAL(sums[1], differences);
  }
}

int main() {
  Bytes family;
  family.choose(0, Small::Run());
  Tile tile;
  int weights[2][ROWS][COLUMNS];
  for (int at = 0; at < 2; ++at) {
    for (int row = 0; row < ROWS; ++row)
      for (int column = 0; column < COLUMNS; ++column) {
        weights[at][row][column] = drawn(256) - 128;
        tile.load(row, column, weights[at][row][column]);
        if (at) check(tile, family, weights[0]);
      }
    tile.swap();
    check(tile, family, weights[at]);
  }
  return finish_bench();
}
