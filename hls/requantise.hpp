// Requantisers: integers to codes, by thresholds or by multiply, shift and round. The rules are those of
// pyqkit/graph/ops/requantise.py, and exact.
#pragma once
#include "formats.hpp"

namespace pyqkit {

// A step of the binary search, as a type: each has a memory of its own.
template <int STEP> struct Step {};

// One comparison a bit, instead of one comparator a threshold: the bits of the count above STEP are known to be `passed`.
template <class Table, class Value> int search(Value, int, int, int passed, Step<-1>) {
#pragma HLS INLINE
  return passed;
}
template <class Table, class Value, int STEP>
int search(Value x, int word, int lane, int passed, Step<STEP> step) {
#pragma HLS INLINE
  const int bit = x >= Table::threshold(step, word, lane, passed) ? 1 : 0;
  return search<Table>(x, word, lane, 2 * passed + bit, Step<STEP - 1>());
}

// Table: threshold(Step, word, lane, bits above the step), falling(word, lane), code(place) for places < 2**STEPS; on a
// falling channel the place is the complement of the thresholds passed (pyqkit/dataflow/thresholds.py). Words are those of all
// passes, one behind the other.
template <class In, int OUT_BITS, int PIXELS, int CHANNELS, int LANES, int STEPS, class Table>
void threshold(hls::stream<Word<ap_uint<In::BITS>, LANES>> &in,
               hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out, int pass = 0) {
  static constexpr int WORDS = CHANNELS / LANES;
  static constexpr int TRIPS = PIXELS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  const int constants = pass * WORDS;
  Counter<WORDS> word;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<In::BITS>, LANES> codes = in.read();
    Word<ap_uint<OUT_BITS>, LANES> result;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      const ap_int<In::WIDTH + 1> x = In::decode(codes.lane[lane]);
      const int passed = search<Table>(x, constants + word.at, lane, 0, Step<STEPS - 1>());
      const bool falling = Table::falling(constants + word.at, lane);
      result.lane[lane] = ap_uint<OUT_BITS>(Table::code(falling ? (1 << STEPS) - 1 - passed : passed));
    }
    out.write(result);
    word.step();
  }
}

// Table: multiplier(word, lane) of MULTIPLIER_BITS bits and offset(word, lane). Every x * multiplier + offset, and the half that
// rounding adds, fits SCALED_BITS bits. Words are those of all passes, one behind the other.
template <class In, int OUT_BITS, int PIXELS, int CHANNELS, int LANES, int MULTIPLIER_BITS, int SCALED_BITS,
          int SHIFT, bool RELU, class Table>
void rescale(hls::stream<Word<ap_uint<In::BITS>, LANES>> &in,
             hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out, ap_int<64> low, ap_int<64> high,
             ap_int<64> zero_point, int pass = 0) {
  typedef Exact<SCALED_BITS> Scaled;
  static constexpr int WORDS = CHANNELS / LANES;
  static constexpr int TRIPS = PIXELS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  const int constants = pass * WORDS;
  Counter<WORDS> word;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<In::BITS>, LANES> codes = in.read();
    Word<ap_uint<OUT_BITS>, LANES> result;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      const Scaled x = In::decode(codes.lane[lane]);
      const Scaled multiplier = ap_int<MULTIPLIER_BITS>(Table::multiplier(constants + word.at, lane));
      Scaled scaled = x * multiplier + Scaled(Table::offset(constants + word.at, lane));
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
    word.step();
  }
}

}  // namespace pyqkit
