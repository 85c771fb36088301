// Pooling of windows that a sliding window made (or of whole frames, which need none).
#pragma once
#include "formats.hpp"

namespace pyqkit {

// Largest value of each channel over POSITIONS pixels; codes stay codes.
template <class In, int WINDOWS, int POSITIONS, int CHANNELS, int LANES>
void max_pool(hls::stream<Word<ap_uint<In::BITS>, LANES>> &in,
              hls::stream<Word<ap_uint<In::BITS>, LANES>> &out) {
  ap_uint<In::BITS> best[CHANNELS];
  for (int window = 0; window < WINDOWS; ++window) {
    for (int position = 0; position < POSITIONS; ++position) {
      for (int channel = 0; channel < CHANNELS; channel += LANES) {
#pragma HLS PIPELINE II = 1
        const Word<ap_uint<In::BITS>, LANES> word = in.read();
        Word<ap_uint<In::BITS>, LANES> result;
        for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
          const ap_uint<In::BITS> code = word.lane[lane], known = best[channel + lane];
          const bool larger = position == 0 || In::decode(code) > In::decode(known);
          best[channel + lane] = result.lane[lane] = larger ? code : known;
        }
        if (position == POSITIONS - 1) out.write(result);
      }
    }
  }
}

// Exact sum of each channel over POSITIONS pixels.
template <class In, int OUT_BITS, int WINDOWS, int POSITIONS, int CHANNELS, int LANES>
void sum_pool(hls::stream<Word<ap_uint<In::BITS>, LANES>> &in,
              hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out) {
  ap_int<OUT_BITS + 1> sums[CHANNELS];
  for (int window = 0; window < WINDOWS; ++window) {
    for (int position = 0; position < POSITIONS; ++position) {
      for (int channel = 0; channel < CHANNELS; channel += LANES) {
#pragma HLS PIPELINE II = 1
        const Word<ap_uint<In::BITS>, LANES> word = in.read();
        Word<ap_uint<OUT_BITS>, LANES> result;
        for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
          const ap_int<OUT_BITS + 1> known = position == 0 ? ap_int<OUT_BITS + 1>(0) : sums[channel + lane];
          const ap_int<OUT_BITS + 1> sum = known + ap_int<OUT_BITS + 1>(In::decode(word.lane[lane]));
          sums[channel + lane] = sum;
          result.lane[lane] = ap_uint<OUT_BITS>(sum);
        }
        if (position == POSITIONS - 1) out.write(result);
      }
    }
  }
}

}  // namespace pyqkit
