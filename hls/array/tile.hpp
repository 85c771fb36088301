// A tile of weights times the words of POSITIONS positions, in a family of the array (array/logarithms.hpp says what a family is).
#pragma once
#include "formats.hpp"

namespace pyqkit {
namespace array {

// The first ROWS words that come are rows of the tile, a slot for each column; the others are positions, a slot for each row. A result
// has the sums of all columns of each lane, lane by lane.
template <class Family, int ROWS, int COLUMNS, int POSITIONS>
void tile(hls::stream<Word<ap_uint<8>, ROWS>> &in,
          hls::stream<Word<ap_uint<Family::SUM>, Family::LANES * COLUMNS>> &out, const Family &family) {
  static constexpr int LANES = Family::LANES, SUM = Family::SUM;
  static constexpr int TRIPS = ROWS + POSITIONS;
  static_assert(COLUMNS <= ROWS, "a word has a slot for each column");
  PYQKIT_TRIPS(TRIPS);
  typename Family::Weight weights[ROWS][COLUMNS];
#pragma HLS ARRAY_PARTITION variable = weights complete
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<8>, ROWS> word = in.read();
    Word<ap_uint<SUM>, LANES * COLUMNS> result;
    for (int column = 0; column < COLUMNS; ++column) {
#pragma HLS UNROLL
      Exact<SUM> sums[LANES];
#pragma HLS ARRAY_PARTITION variable = sums complete
      for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
        sums[lane] = 0;
      }
      for (int row = 0; row < ROWS; ++row) {
#pragma HLS UNROLL
        if (trip >= ROWS) family.add(sums, family.number(word.lane[row]), weights[row][column]);
        if (trip == row) weights[row][column] = family.weight(word.lane[column]);
      }
      for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
        result.lane[lane * COLUMNS + column] = ap_uint<SUM>(sums[lane]);
      }
    }
    if (trip >= ROWS) out.write(result);
  }
}

}  // namespace array
}  // namespace pyqkit
