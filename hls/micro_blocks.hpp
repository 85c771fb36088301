// Weights of MicroScopiQ's blocks behind memories of their own, in the place of an array of codes (matrix_vector.hpp): slots, flags of
// micro-blocks, exponents of inliers, and what micro-blocks with outliers have, which is read as their flags come. A micro-block is
// eight outputs of an input, a lane one of those of a line.
//
// Shape is a struct of constants: LINES, FOLDS (lines of the inputs of PE outputs), REPEAT (times that FOLDS words of exponents are used),
// PE, SIMD and BITS (of a slot). Memories is a struct of functions: slot(line, [PE][SIMD]), flag(line, lane), exponent(word, SIMD) and
// side(lane, place): the exponent of outliers in three bits, then four pairs of places, an upper one below a lower one.
#pragma once
#include "matrix_vector.hpp"

namespace pyqkit {

template <class Shape, class Memories> struct MicroBlocks {};

// A code is, from the lowest bit on, three bits of the magnitude, the sign, the exponent, and the rest of the magnitude. Lines come in
// order, from line 0 on.
template <class P, class Shape, class Memories> struct Lines<P, MicroBlocks<Shape, Memories>> {
  static constexpr int MICRO = 8, PAIRS = 4, EXPONENT = 3, BITS = Shape::BITS, HALF = BITS / 2;
  static constexpr int SIMD = Shape::SIMD, GROUPS = Shape::PE / MICRO, LANES = GROUPS * SIMD;
  static_assert(Shape::PE % MICRO == 0, "outputs come in eights");
  int codes[Shape::PE * SIMD];
  int places[LANES];
  Counter<Shape::FOLDS> fold;
  Counter<Shape::REPEAT> times;
  int macro;

  explicit Lines(const MicroBlocks<Shape, Memories> &) : macro(0) {
#pragma HLS ARRAY_PARTITION variable = codes complete
#pragma HLS ARRAY_PARTITION variable = places complete
  }
  void step(int line) {
#pragma HLS INLINE
    if (line == 0) {
      macro = 0;
      fold.at = 0;
      times.at = 0;
    }
    for (int group = 0; group < GROUPS; ++group) {
#pragma HLS UNROLL
      for (int input = 0; input < SIMD; ++input) {
#pragma HLS UNROLL
        const int lane = group * SIMD + input, place = line == 0 ? 0 : places[lane];
        const bool flag = Memories::flag(line, lane);
        const int side = flag ? int(Memories::side(lane, place)) : 0;
        const int exponent = Memories::exponent(macro * Shape::FOLDS + fold.at, input);
        merge(line, group * MICRO * SIMD + input, side, exponent);
        places[lane] = place + flag;
      }
    }
    if (fold.step() && times.step()) ++macro;
  }
  typename P::Right at(int, int index) const {
#pragma HLS INLINE
    return P::right(typename P::RightCode(codes[index]));
  }

 private:
  void merge(int line, int first, int side, int exponent) {
#pragma HLS INLINE
    const int most = (1 << HALF) - 1;
    int slots[MICRO];
#pragma HLS ARRAY_PARTITION variable = slots complete
    for (int c = 0; c < MICRO; ++c) {
#pragma HLS UNROLL
      slots[c] = Memories::slot(line, first + c * SIMD);
    }
    for (int c = 0; c < MICRO; ++c) {
#pragma HLS UNROLL
      int rest = 0;
      bool outlier = false, pruned = false;
      for (int pair = 0; pair < PAIRS; ++pair) {
#pragma HLS UNROLL
        const int both = side >> (EXPONENT + 6 * pair), upper = both & 7, lower = (both >> 3) & 7;
        pruned = pruned || (upper != lower && lower == c);
        if (upper != lower && upper == c) {
          outlier = true;
          rest = slots[lower] & most;
        }
      }
      const int inlier = pruned ? 0 : slots[c] & ((1 << (BITS - 1)) - 1);
      const int magnitude = outlier ? (1 << (2 * HALF)) | (slots[c] & most) << HALF | rest : inlier;
      const int scale = outlier ? side & ((1 << EXPONENT) - 1) : exponent;
      codes[first + c * SIMD] =
          (magnitude & 7) | (slots[c] >> (BITS - 1)) << 3 | scale << 4 | (magnitude >> 3) << 7;
    }
  }
};

}  // namespace pyqkit
