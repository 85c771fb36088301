// Integers times a factor of their pixel, exact. Table: factor(pixel), positive.
#pragma once
#include "formats.hpp"

namespace pyqkit {

template <class In, int OUT_BITS, int PIXELS, int CHANNELS, int LANES, class Table>
void pixel_scale(hls::stream<Word<ap_uint<In::BITS>, LANES>> &in,
                 hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out) {
  static constexpr int TRIPS = PIXELS * (CHANNELS / LANES);
  int pixel = 0, channel = 0;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1
    const Word<ap_uint<In::BITS>, LANES> word = in.read();
    const ap_int<OUT_BITS + 1> factor = Table::factor(pixel);
    Word<ap_uint<OUT_BITS>, LANES> result;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      const ap_int<OUT_BITS + 1> x = In::decode(word.lane[lane]);
      result.lane[lane] = ap_uint<OUT_BITS>(ap_int<OUT_BITS + 1>(x * factor));
    }
    out.write(result);
    const bool last = channel == CHANNELS - LANES;
    pixel += last ? 1 : 0;
    channel = last ? 0 : channel + LANES;
  }
}

}  // namespace pyqkit
