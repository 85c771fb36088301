// Family microscopiq of the array: a weight of four bits, or two of two bits, against an activation of eight. An outlier is a hidden
// one and two halves, the lower of which stands in the place of another column; halves are put together as a row of weights is loaded,
// so that elements multiply magnitudes, and shift the product by the exponents of weight and activation.
#pragma once
#include "array/block_memory.hpp"
#include "formats.hpp"

namespace pyqkit {
namespace array {

// There are no tables of codes; filling them does nothing.
struct NoTable {
  static constexpr int PER_ITEM = 8;
  static int trips(int items) {
#pragma HLS INLINE
    return items * PER_ITEM;
  }
  void put(int, ap_uint<64>) {
#pragma HLS INLINE
  }
};

template <int SUM_, int TABLES> struct Blocks {
  static const int LANES = BLOCK_LANES, SUM = SUM_;
  typedef int Mode;  // bits of a slot: 2 or 4
  struct Number {
    ap_uint<8> magnitude;
    ap_uint<1> negative;
    ap_uint<BLOCK_EXPONENT> shift;
  };
  struct Weight {
    ap_uint<5> magnitude[LANES];
    ap_uint<1> negative[LANES];
    ap_uint<BLOCK_EXPONENT> exponent[LANES];
  };
  NoTable tables[2][TABLES];
  Mode bits;

  template <class Run> void choose(Mode mode, const Run &) {
#pragma HLS INLINE
    bits = mode;
  }
  Number number(const ShiftedSlot &slot) const {
#pragma HLS INLINE
    const int code = int(ap_int<8>(slot.code));
    Number number;
    number.magnitude = code < 0 ? -code : code;
    number.negative = code < 0;
    number.shift = slot.shift;
    return number;
  }
  Weight weight(const BlockSlot &slot) const {
#pragma HLS INLINE
    Weight weight;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      merge(slot, lane, weight);
      if (lane > 0 && bits == ELEMENT) weight.magnitude[lane] = 0;
    }
    return weight;
  }
  void add(Exact<SUM> (&sums)[LANES], const Number &number, const Weight &weight) const {
#pragma HLS INLINE
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      const int product = int(number.magnitude) * int(weight.magnitude[lane]);
      const int shifted = product << (int(number.shift) + int(weight.exponent[lane]));
      const bool minus = weight.negative[lane] != number.negative;
      sums[lane] += Exact<SUM>(minus ? -shifted : shifted);
    }
  }

 private:
  // A slot of a lane.
  int stored(const BlockSlot &slot, int place, int lane) const {
#pragma HLS INLINE
    const int element = slot.elements[place];
    return bits == ELEMENT ? element : (element >> (2 * lane)) & 3;
  }
  void merge(const BlockSlot &slot, int lane, Weight &weight) const {
#pragma HLS INLINE
    const int half = bits >> 1, most = (1 << half) - 1;
    const int code = stored(slot, slot.place, lane);
    int below = 0;  // the lower half
    bool outlier = false, pruned = false;
    for (int pair = 0; pair < OUTLIERS; ++pair) {
#pragma HLS UNROLL
      const int both = slot.sides[lane].pairs[pair], upper = both & 7, lower = both >> 3;
      const bool there = slot.sides[lane].flag && upper != lower;
      pruned = pruned || (there && lower == slot.place);
      if (there && upper == slot.place) {
        outlier = true;
        below = stored(slot, lower, lane) & most;
      }
    }
    const int inlier = pruned ? 0 : code & ((1 << (bits - 1)) - 1);
    weight.magnitude[lane] = outlier ? (1 << (2 * half)) | (code & most) << half | below : inlier;
    weight.negative[lane] = code >> (bits - 1);
    weight.exponent[lane] = outlier ? slot.sides[lane].exponent : slot.exponent;
  }
};

}  // namespace array
}  // namespace pyqkit
