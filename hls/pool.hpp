// Pooling of windows that a sliding window made (or of whole frames, which need none).
#pragma once
#include "formats.hpp"

namespace pyqkit {

// The window so far goes round with its channels: a channel comes back when all words of a pixel have passed.

// Largest value of each channel over POSITIONS pixels; codes stay codes.
template <class In, int WINDOWS, int POSITIONS, int CHANNELS, int LANES>
void max_pool(hls::stream<Word<ap_uint<In::BITS>, LANES>> &in,
              hls::stream<Word<ap_uint<In::BITS>, LANES>> &out) {
  static constexpr int WORDS = CHANNELS / LANES;
  static constexpr int TRIPS = WINDOWS * POSITIONS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  Counter<WORDS> word;
  Counter<POSITIONS> position;
  Delay<Word<ap_uint<In::BITS>, LANES>, WORDS> best;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<In::BITS>, LANES> codes = in.read(), known = best.last();
    Word<ap_uint<In::BITS>, LANES> result;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      const bool larger = position.first() || In::decode(codes.lane[lane]) > In::decode(known.lane[lane]);
      result.lane[lane] = larger ? codes.lane[lane] : known.lane[lane];
    }
    best.push(result);
    if (position.last()) out.write(result);
    if (word.step()) position.step();
  }
}

// Exact sum of each channel over POSITIONS pixels.
template <class In, int OUT_BITS, int WINDOWS, int POSITIONS, int CHANNELS, int LANES>
void sum_pool(hls::stream<Word<ap_uint<In::BITS>, LANES>> &in,
              hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out) {
  static constexpr int WORDS = CHANNELS / LANES;
  static constexpr int TRIPS = WINDOWS * POSITIONS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  Counter<WORDS> word;
  Counter<POSITIONS> position;
  Delay<Word<ap_uint<OUT_BITS>, LANES>, WORDS> sums;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<In::BITS>, LANES> codes = in.read();
    const Word<ap_uint<OUT_BITS>, LANES> known = sums.last();
    Word<ap_uint<OUT_BITS>, LANES> result;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      const ap_int<OUT_BITS> before =
          position.first() ? ap_int<OUT_BITS>(0) : ap_int<OUT_BITS>(known.lane[lane]);
      result.lane[lane] = ap_uint<OUT_BITS>(Exact<OUT_BITS>(before + In::decode(codes.lane[lane])));
    }
    sums.push(result);
    if (position.last()) out.write(result);
    if (word.step()) position.step();
  }
}

}  // namespace pyqkit
