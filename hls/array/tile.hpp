// A tile of weights that stands still while words of activations go past, in a family of the array (array/logarithms.hpp says what a
// family is). The next tile is loaded row by row meanwhile.
#pragma once
#include "formats.hpp"

namespace pyqkit {
namespace array {

template <class Family, int ROWS, int COLUMNS> struct Standing {
  static_assert(COLUMNS <= ROWS, "a word has a slot for each column");
  typename Family::Weight now[ROWS][COLUMNS], next[ROWS][COLUMNS];
  Standing() {
#pragma HLS ARRAY_PARTITION variable = now complete
#pragma HLS ARRAY_PARTITION variable = next complete
  }
  void load(int row, int column, const typename Family::Weight &weight) {
#pragma HLS INLINE
    next[row][column] = weight;
  }
  void swap() {
#pragma HLS INLINE
    for (int row = 0; row < ROWS; ++row) {
#pragma HLS UNROLL
      for (int column = 0; column < COLUMNS; ++column) {
#pragma HLS UNROLL
        now[row][column] = next[row][column];
      }
    }
  }
};

template <class Family, int ROWS, int COLUMNS> struct Tile : Standing<Family, ROWS, COLUMNS> {
  static constexpr int LANES = Family::LANES, SUM = Family::SUM;
  // Whether all rows have what they need; where they have to wait for each other, this is asked again.
  bool serve(const Family &, const typename Family::Number (&)[ROWS]) {
#pragma HLS INLINE
    return true;
  }
  // The sums of a column over all rows, by lane.
  void multiply(const Family &family, const typename Family::Number (&numbers)[ROWS], int column,
                Exact<SUM> (&sums)[LANES]) const {
#pragma HLS INLINE
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      sums[lane] = 0;
    }
    for (int row = 0; row < ROWS; ++row) {
#pragma HLS UNROLL
      family.add(sums, numbers[row], this->now[row][column]);
    }
  }
};

}  // namespace array
}  // namespace pyqkit
