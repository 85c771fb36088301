// Look-up: the code of the result for every code, one table for all channels or one each.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {

// Table: code(word, lane, code). ROWS words of a pixel have tables of their own: each, or one for all. They are those of all
// passes, one behind the other.
template <int IN_BITS, int OUT_BITS, int PIXELS, int CHANNELS, int LANES, class Table,
          int ROWS = CHANNELS / LANES>
void lookup(hls::stream<Word<ap_uint<IN_BITS>, LANES>> &in, hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out,
            int pass = 0) {
  static constexpr int WORDS = CHANNELS / LANES;
  static constexpr int TRIPS = PIXELS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  const int tables = pass * ROWS;
  Counter<ROWS> row;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<IN_BITS>, LANES> codes = in.read();
    Word<ap_uint<OUT_BITS>, LANES> result;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      result.lane[lane] = ap_uint<OUT_BITS>(Table::code(tables + row.at, lane, int(codes.lane[lane])));
    }
    out.write(result);
    row.step();
  }
}

}  // namespace pyqkit
