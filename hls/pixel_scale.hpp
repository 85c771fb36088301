// Integers times a factor of their pixel, exact. Table: factor(pixel), positive.
#pragma once
#include "formats.hpp"

namespace pyqkit {

template <class In, int OUT_BITS, int PIXELS, int CHANNELS, int LANES, class Table>
void pixel_scale(hls::stream<Word<ap_uint<In::BITS>, LANES>> &in,
                 hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out) {
  static constexpr int WORDS = CHANNELS / LANES;
  static constexpr int TRIPS = PIXELS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  Counter<WORDS> word;
  Counter<PIXELS> pixel;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<In::BITS>, LANES> codes = in.read();
    const ap_int<OUT_BITS + 1> factor = Table::factor(pixel.at);
    Word<ap_uint<OUT_BITS>, LANES> result;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      const ap_int<OUT_BITS + 1> x = In::decode(codes.lane[lane]);
      result.lane[lane] = ap_uint<OUT_BITS>(ap_int<OUT_BITS + 1>(x * factor));
    }
    out.write(result);
    if (word.step()) pixel.step();
  }
}

}  // namespace pyqkit
