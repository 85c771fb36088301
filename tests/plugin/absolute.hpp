// Absolute value of every channel times a constant. Table: weight(word, lane).
#pragma once
#include "formats.hpp"

namespace pyqkit {

template <class In, int OUT_BITS, int PIXELS, int CHANNELS, int LANES, class Table>
void absolute(hls::stream<Word<ap_uint<In::BITS>, LANES>> &in,
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
      const ap_int<OUT_BITS + 1> x = In::decode(codes.lane[lane]);
      const ap_int<OUT_BITS + 1> magnitude = x < 0 ? ap_int<OUT_BITS + 1>(-x) : x;
      result.lane[lane] = ap_uint<OUT_BITS>(ap_int<OUT_BITS + 1>(magnitude * Table::weight(word.at, lane)));
    }
    out.write(result);
    word.step();
  }
}

}  // namespace pyqkit
