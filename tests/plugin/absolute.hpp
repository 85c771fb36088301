// Absolute value of every channel times a constant. Table: weight(channel).
#pragma once
#include "formats.hpp"

namespace pyqkit {

template <class In, int OUT_BITS, int PIXELS, int CHANNELS, int LANES, class Table>
void absolute(hls::stream<Word<ap_uint<In::BITS>, LANES>> &in,
              hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out) {
  for (int pixel = 0; pixel < PIXELS; ++pixel) {
    for (int channel = 0; channel < CHANNELS; channel += LANES) {
#pragma HLS PIPELINE II = 1
      const Word<ap_uint<In::BITS>, LANES> word = in.read();
      Word<ap_uint<OUT_BITS>, LANES> result;
      for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
        const ap_int<OUT_BITS + 1> x = In::decode(word.lane[lane]);
        const ap_int<OUT_BITS + 1> magnitude = x < 0 ? ap_int<OUT_BITS + 1>(-x) : x;
        result.lane[lane] =
            ap_uint<OUT_BITS>(ap_int<OUT_BITS + 1>(magnitude * Table::weight(channel + lane)));
      }
      out.write(result);
    }
  }
}

}  // namespace pyqkit
