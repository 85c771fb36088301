// Look-up: the code of the result for every code, one table for all channels or one each.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {

// Table: code(word, lane, code).
template <int IN_BITS, int OUT_BITS, int PIXELS, int CHANNELS, int LANES, class Table>
void lookup(hls::stream<Word<ap_uint<IN_BITS>, LANES>> &in,
            hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out) {
  static constexpr int WORDS = CHANNELS / LANES;
  static constexpr int TRIPS = PIXELS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  Counter<WORDS> word;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<IN_BITS>, LANES> codes = in.read();
    Word<ap_uint<OUT_BITS>, LANES> result;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      result.lane[lane] = ap_uint<OUT_BITS>(Table::code(word.at, lane, int(codes.lane[lane])));
    }
    out.write(result);
    word.step();
  }
}

}  // namespace pyqkit
