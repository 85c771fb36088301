// Product of two streams as matrices, within each of GROUPS groups of channels: the right stream is read whole into a memory, then
// every pixel of the left one is multiplied by it, PE results and SIMD products of each at a time, summed exactly.
//
// The memory is read in order: [group][output fold][input fold][PE][SIMD]. A word of the right stream is a bank of a word of the
// memory, SIMD codes that one of PE has or, ACROSS, a code of each PE; BANKS pixels fill it. INNER words of a pixel lie side by
// side, as do those of the next BANKS pixels; a pixel has PARTS times as many.
#pragma once
#include "product.hpp"

namespace pyqkit {

// Codes of the right stream: hardware decodes them as they leave the memory, simulation once.
template <class P, int DEPTH, int COUNT> struct Operand {
#ifndef PYQKIT_SIMULATION
  typename P::RightCode codes[DEPTH][COUNT];
  Operand() {
#pragma HLS ARRAY_PARTITION variable = codes complete dim = 2
#pragma HLS BIND_STORAGE variable = codes type = ram_s2p
  }
  void keep(int line, int place, typename P::RightCode code) {
#pragma HLS INLINE
    codes[line][place] = code;
  }
  typename P::Right right(int line, int place) const {
#pragma HLS INLINE
    return P::right(codes[line][place]);
  }
#else
  std::vector<typename P::Right> decoded = std::vector<typename P::Right>(DEPTH * COUNT);
  void keep(int line, int place, typename P::RightCode code) {
    decoded[line * COUNT + place] = P::right(code);
  }
  const typename P::Right &right(int line, int place) const { return decoded[line * COUNT + place]; }
#endif
};

// Where words of the right stream go: line `at` of the memory, in bank `bank`.
template <class S> struct OperandWalk {
  static constexpr int NEXT_PART = (S::PIXELS / S::BANKS - 1) * S::INNER + 1;
  Counter<S::INNER> word;
  Counter<S::PARTS> part;
  Counter<S::BANKS> bank;
  Index<S::DEPTH> row = 0, at = 0;
  void step() {
#pragma HLS INLINE
    const bool part_ends = word.step();
    const bool pixel_ends = part_ends && part.step();
    if (pixel_ends && bank.step()) row = row + S::INNER;
    at = pixel_ends ? row : Index<S::DEPTH>(at + (part_ends ? NEXT_PART : 1));
  }
};

// S is a struct of constants: LEFT_BITS and RIGHT_BITS of a code, ACCUMULATOR (bits of a sum), WINDOWS (pixels of the left stream),
// PIXELS (of the right one), GROUPS, OUTPUT_FOLDS, INPUT_FOLDS, PE, SIMD, ACROSS, LANES (of a word of the right stream), BANKS,
// INNER, PARTS and DEPTH (words of the memory). P is a product.
template <class S, class P>
void matrix_product(hls::stream<Word<ap_uint<S::LEFT_BITS>, S::SIMD>> &left,
                    hls::stream<Word<ap_uint<S::RIGHT_BITS>, S::LANES>> &right,
                    hls::stream<Word<ap_uint<S::ACCUMULATOR>, S::PE>> &out) {
  static constexpr int PE = S::PE, SIMD = S::SIMD, ACCUMULATOR = S::ACCUMULATOR;
  static constexpr int LOAD = S::PIXELS * S::INNER * S::PARTS;
  static constexpr int TRIPS = LOAD + S::WINDOWS * S::DEPTH;
  static_assert(PE * SIMD == S::LANES * S::BANKS && LOAD == S::DEPTH * S::BANKS,
                "words of the memory are full");
  static_assert(S::DEPTH == S::GROUPS * S::OUTPUT_FOLDS * S::INPUT_FOLDS, "a word is used once a pixel");
  PYQKIT_TRIPS(TRIPS);
  Operand<P, S::DEPTH, PE * SIMD> operand;
  typename P::LeftCode window[S::INPUT_FOLDS][SIMD];
#pragma HLS ARRAY_PARTITION variable = window complete dim = 2
#pragma HLS BIND_STORAGE variable = window type = ram_s2p impl = lutram
  Exact<ACCUMULATOR> sums[PE];
#pragma HLS ARRAY_PARTITION variable = sums complete
  OperandWalk<S> walk;
  Counter<S::INPUT_FOLDS> input;
  Counter<S::OUTPUT_FOLDS> output;
  Counter<S::DEPTH> fold;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    if (trip < LOAD) {
      const Word<ap_uint<S::RIGHT_BITS>, S::LANES> word = right.read();
      for (int bank = 0; bank < S::BANKS; ++bank) {
#pragma HLS UNROLL
        for (int lane = 0; lane < S::LANES; ++lane) {
#pragma HLS UNROLL
          if (walk.bank.at == bank) operand.keep(walk.at, bank * S::LANES + lane, word.lane[lane]);
        }
      }
      walk.step();
    } else {
      if (output.first()) {  // the first fold reads the window, the others reuse it
        const Word<ap_uint<S::LEFT_BITS>, SIMD> word = left.read();
        for (int lane = 0; lane < SIMD; ++lane) {
#pragma HLS UNROLL
          window[input.at][lane] = word.lane[lane];
        }
      }
      Word<ap_uint<ACCUMULATOR>, PE> result;
      for (int pe = 0; pe < PE; ++pe) {
#pragma HLS UNROLL
        Exact<ACCUMULATOR> sum = 0;
        for (int lane = 0; lane < SIMD; ++lane) {
#pragma HLS UNROLL
          sum += P::multiply(P::left(window[input.at][lane]),
                             operand.right(fold.at, S::ACROSS ? lane * PE + pe : pe * SIMD + lane));
        }
        sums[pe] = input.first() ? sum : Exact<ACCUMULATOR>(sums[pe] + sum);
        result.lane[pe] = ap_uint<ACCUMULATOR>(sums[pe]);
      }
      if (input.last()) out.write(result);
      fold.step();
      if (input.step()) output.step();
    }
  }
}

}  // namespace pyqkit
