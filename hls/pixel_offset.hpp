// Integers times a constant of their channel, and a constant of their own added: positions of tokens.
#pragma once
#include "formats.hpp"

namespace pyqkit {

// Table: factor(word, lane) of a channel, offset(trip, lane).
template <class In, int OUT_BITS, int PIXELS, int CHANNELS, int LANES, class Table>
void pixel_offset(hls::stream<Word<ap_uint<In::BITS>, LANES>> &in,
                  hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out) {
  static constexpr int WORDS = CHANNELS / LANES;
  static constexpr int TRIPS = PIXELS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  Counter<WORDS> word;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<In::BITS>, LANES> codes = in.read();
    Word<ap_uint<OUT_BITS>, LANES> result;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      const Exact<OUT_BITS> x = In::decode(codes.lane[lane]), factor = Table::factor(word.at, lane);
      const Exact<OUT_BITS> offset = Table::offset(trip, lane);
      result.lane[lane] = ap_uint<OUT_BITS>(Exact<OUT_BITS>(x * factor + offset));
    }
    out.write(result);
    word.step();
  }
}

}  // namespace pyqkit
