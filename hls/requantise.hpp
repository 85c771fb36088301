// Requantisers: integers to codes, by thresholds or by multiply, shift and round. The rules are those of
// pyqkit/graph/ops/requantise.py, and exact.
#pragma once
#include "formats.hpp"

namespace pyqkit {

// Table: threshold(channel, i) for i < 2**STEPS - 1, falling(channel), code(place) for places < 2**STEPS; on a falling
// channel the place is the complement of the thresholds passed (pyqkit/dataflow/thresholds.py).
template <class In, int OUT_BITS, int PIXELS, int CHANNELS, int LANES, int STEPS, class Table>
void threshold(hls::stream<Word<ap_uint<In::BITS>, LANES>> &in,
               hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out) {
  for (int pixel = 0; pixel < PIXELS; ++pixel) {
    for (int channel = 0; channel < CHANNELS; channel += LANES) {
#pragma HLS PIPELINE II = 1
      const Word<ap_uint<In::BITS>, LANES> word = in.read();
      Word<ap_uint<OUT_BITS>, LANES> result;
      for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
        const ap_int<In::WIDTH + 1> x = In::decode(word.lane[lane]);
        int passed = 0;
        // Binary search: one comparison a bit, each with a memory of its own, instead of one comparator a threshold.
        for (int step = STEPS - 1; step >= 0; --step) {
#pragma HLS UNROLL
          const int tried = passed + (1 << step);
          passed = x >= Table::threshold(channel + lane, tried - 1) ? tried : passed;
        }
        result.lane[lane] = ap_uint<OUT_BITS>(
            Table::code(Table::falling(channel + lane) ? (1 << STEPS) - 1 - passed : passed));
      }
      out.write(result);
    }
  }
}

// Table: multiplier(channel) of MULTIPLIER_BITS bits and offset(channel). Every x * multiplier + offset, and the half that
// rounding adds, fits SCALED_BITS bits.
template <class In, int OUT_BITS, int PIXELS, int CHANNELS, int LANES, int MULTIPLIER_BITS, int SCALED_BITS,
          int SHIFT, bool RELU, class Table>
void rescale(hls::stream<Word<ap_uint<In::BITS>, LANES>> &in,
             hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out, ap_int<64> low, ap_int<64> high,
             ap_int<64> zero_point) {
  typedef Exact<SCALED_BITS> Scaled;
  for (int pixel = 0; pixel < PIXELS; ++pixel) {
    for (int channel = 0; channel < CHANNELS; channel += LANES) {
#pragma HLS PIPELINE II = 1
      const Word<ap_uint<In::BITS>, LANES> word = in.read();
      Word<ap_uint<OUT_BITS>, LANES> result;
      for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
        const Scaled x = In::decode(word.lane[lane]);
        const Scaled multiplier = ap_int<MULTIPLIER_BITS>(Table::multiplier(channel + lane));
        Scaled scaled = x * multiplier + Scaled(Table::offset(channel + lane));
        if (RELU && scaled < 0) scaled = 0;
        Scaled rounded = scaled;
        if (SHIFT > 0) {
          const Scaled below_half = (Scaled(1) << (SHIFT > 0 ? SHIFT - 1 : 0)) - 1;
          const Scaled odd = Scaled(scaled >> SHIFT) & 1;  // half to even: a tie rises only from an odd value
          rounded = Scaled(scaled + below_half + odd) >> SHIFT;
        }
        const ap_int<64> whole = rounded;
        const ap_int<64> clipped = whole < low ? low : whole > high ? high : whole;
        result.lane[lane] = ap_uint<OUT_BITS>(ap_int<64>(clipped + zero_point));
      }
      out.write(result);
    }
  }
}

}  // namespace pyqkit
