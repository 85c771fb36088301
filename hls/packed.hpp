// The ends of a block that stands alone: a word of codes as one unsigned integer, lane 0 in the lowest bits. FINN joins its
// nodes so.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {

template <int BITS, int WORDS, int LANES>
void from_packed(hls::stream<ap_uint<BITS * LANES>> &in, hls::stream<Word<ap_uint<BITS>, LANES>> &out) {
  static constexpr int TRIPS = WORDS;
  PYQKIT_TRIPS(TRIPS);
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const ap_uint<BITS * LANES> packed = in.read();
    Word<ap_uint<BITS>, LANES> word;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      word.lane[lane] = packed.range(lane * BITS + BITS - 1, lane * BITS);
    }
    out.write(word);
  }
}

template <int BITS, int WORDS, int LANES>
void to_packed(hls::stream<Word<ap_uint<BITS>, LANES>> &in, hls::stream<ap_uint<BITS * LANES>> &out) {
  static constexpr int TRIPS = WORDS;
  PYQKIT_TRIPS(TRIPS);
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<BITS>, LANES> word = in.read();
    ap_uint<BITS * LANES> packed = 0;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      packed.range(lane * BITS + BITS - 1, lane * BITS) = word.lane[lane];
    }
    out.write(packed);
  }
}

}  // namespace pyqkit
