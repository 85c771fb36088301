// Two pixels of a result at a time: what stands before their windows, and what takes their sums apart.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {

// Beside each pixel of a row stands the one that is SPAN columns further on, code by code, the earlier one in the lower bits. Of a
// row COLUMNS pairs leave, from that of the first pixel on.
//
// Shape is a struct of constants: CODE_BITS; HEIGHT and WIDTH of the image; WORDS of a pixel; LANES; SPAN; COLUMNS.
template <class S>
void pixel_pairs(hls::stream<Word<ap_uint<S::CODE_BITS>, S::LANES>> &in,
                 hls::stream<Word<ap_uint<2 * S::CODE_BITS>, S::LANES>> &out) {
  static_assert(S::SPAN + S::COLUMNS <= S::WIDTH, "both pixels of a pair are in the row");
  static constexpr int TRIPS = S::HEIGHT * S::WIDTH * S::WORDS;
  PYQKIT_TRIPS(TRIPS);
  Delay<Word<ap_uint<S::CODE_BITS>, S::LANES>, S::SPAN * S::WORDS> line;
  Counter<S::WORDS> word;
  Counter<S::WIDTH> column;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<S::CODE_BITS>, S::LANES> codes = in.read(), before = line.last();
    line.push(codes);
    Word<ap_uint<2 * S::CODE_BITS>, S::LANES> pair;
    for (int lane = 0; lane < S::LANES; ++lane) {
#pragma HLS UNROLL
      const ap_uint<2 * S::CODE_BITS> later = codes.lane[lane];
      pair.lane[lane] = later << S::CODE_BITS | before.lane[lane];
    }
    if (column.at >= S::SPAN && column.at < S::SPAN + S::COLUMNS) out.write(pair);
    if (word.step()) column.step();
  }
}

// The lower lanes of every word go one way, the upper ones another; LANES is those of either.
template <class T, int WORDS, int LANES>
void split(hls::stream<Word<T, 2 * LANES>> &in, hls::stream<Word<T, LANES>> &lower,
           hls::stream<Word<T, LANES>> &upper) {
  static constexpr int TRIPS = WORDS;
  PYQKIT_TRIPS(TRIPS);
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<T, 2 * LANES> word = in.read();
    Word<T, LANES> low, high;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      low.lane[lane] = word.lane[lane];
      high.lane[lane] = word.lane[LANES + lane];
    }
    lower.write(low);
    upper.write(high);
  }
}

}  // namespace pyqkit
