// Matrix-vector unit: windows times weights, summed exactly. PE outputs and SIMD inputs at a time.
//
// Weights are codes in the order in which they are used: [group][output fold][input fold][PE][SIMD]. A word of a window has SIMD
// inputs that all PE share, or PE * SIMD so that each has its own: then a group is PE channels of a depthwise convolution.
// Weights and exponents are arguments: constants of the network, or arrays that something has loaded.
//
// Weights in blocks have exponents in an array of their own, one for every block of each PE and kernel position. SEGMENT lanes
// lie in one block whichever word it is: their products are summed, then shifted. PE * HELD exponents, of BLOCK lanes each, serve
// SPAN words of weights; a kernel position has ROW words: [group][output fold][kernel position][words of exponents][PE][HELD].
#pragma once
#include "product.hpp"

namespace pyqkit {

// The weights of one layer: hardware reads the array `weights` and decodes codes as they leave the memory; simulation decodes
// them once, into `memory`. Generated text declares by PYQKIT_WEIGHTS and passes PYQKIT_MEMORY. An array of codes fits both.
template <class P, class T, int COUNT> typename P::Right weight(const T (&codes)[COUNT], int index) {
#pragma HLS INLINE
  return P::right(typename P::RightCode(codes[index]));
}
#ifdef __SYNTHESIS__
#define PYQKIT_WEIGHTS(memory, weights, product, count)
#define PYQKIT_MEMORY(memory, weights) weights
#else
#define PYQKIT_WEIGHTS(memory, weights, product, count) \
  static const pyqkit::Weights<product, count> memory{weights};
#define PYQKIT_MEMORY(memory, weights) memory
template <class P, int COUNT> struct Weights {
  std::vector<typename P::Right> decoded;
  template <class T> explicit Weights(const T (&codes)[COUNT]) {
    for (int i = 0; i < COUNT; ++i) decoded.push_back(P::right(typename P::RightCode(codes[i])));
  }
};
template <class P, int COUNT> const typename P::Right &weight(const Weights<P, COUNT> &weights, int index) {
  return weights.decoded[index];
}
#endif

// Of weights without blocks.
struct NoExponents {};
template <int BITS> Exact<BITS> scaled(Exact<BITS> sum, const NoExponents &, int) {
#pragma HLS INLINE
  return sum;
}
// Exponents go up to 63; what is shifted is unsigned, as a left shift of a negative number has no meaning before C++20.
template <int BITS, class T, int COUNT>
Exact<BITS> scaled(Exact<BITS> sum, const T (&exponents)[COUNT], int index) {
#pragma HLS INLINE
  return Exact<BITS>(ap_uint<64>(ap_uint<64>(sum) << int(exponents[index])));
}

// Shape is a struct of constants: ACCUMULATOR (bits of a sum), PIXELS, GROUPS, OUTPUT_FOLDS, INPUT_FOLDS, PE, SIMD, LANES (of a
// word of a window), and, read for weights in blocks alone, BLOCK, SEGMENT, HELD, SPAN and ROW. P is a product.
template <class Shape, class P, class W, class E>
void matrix_vector(hls::stream<Word<typename P::LeftCode, Shape::LANES>> &in,
                   hls::stream<Word<ap_uint<Shape::ACCUMULATOR>, Shape::PE>> &out, const W &weights,
                   const E &exponents) {
  static const int ACCUMULATOR = Shape::ACCUMULATOR, PE = Shape::PE, SIMD = Shape::SIMD, LANES = Shape::LANES,
                   SEGMENT = Shape::SEGMENT;
  static const int OUTPUT_FOLDS = Shape::OUTPUT_FOLDS, INPUT_FOLDS = Shape::INPUT_FOLDS, ROW = Shape::ROW,
                   SPAN = Shape::SPAN;
  static const int EXPONENT_WORDS = (ROW + SPAN - 1) / SPAN;            // of a kernel position
#pragma HLS ARRAY_RESHAPE variable = weights cyclic factor = PE * SIMD  // so many are read in every cycle
  static_assert(LANES == SIMD || LANES == PE * SIMD, "all PE share SIMD inputs, or each has its own");
  typename P::Left window[INPUT_FOLDS][LANES];
#pragma HLS ARRAY_PARTITION variable = window complete dim = 2  // all lanes are read in every cycle
  for (int pixel = 0; pixel < Shape::PIXELS; ++pixel) {
    for (int group = 0; group < Shape::GROUPS; ++group) {
      for (int output = 0; output < OUTPUT_FOLDS; ++output) {
        Exact<ACCUMULATOR> sums[PE];
#pragma HLS ARRAY_PARTITION variable = sums complete
        for (int input = 0; input < INPUT_FOLDS; ++input) {
#pragma HLS PIPELINE II = 1
          if (output == 0) {  // the first fold reads the window, the others reuse it
            const Word<typename P::LeftCode, LANES> word = in.read();
            for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
              window[input][lane] = P::left(word.lane[lane]);
            }
          }
          const int first = ((group * OUTPUT_FOLDS + output) * INPUT_FOLDS + input) * PE * SIMD;
          const int position = (group * OUTPUT_FOLDS + output) * (INPUT_FOLDS / ROW) + input / ROW,
                    word_of_row = input % ROW;
          const int block = (position * EXPONENT_WORDS + word_of_row / SPAN) * PE * Shape::HELD;
          for (int pe = 0; pe < PE; ++pe) {
#pragma HLS UNROLL
            Exact<ACCUMULATOR> sum = input == 0 ? Exact<ACCUMULATOR>(0) : sums[pe];
            for (int segment = 0; segment < SIMD; segment += SEGMENT) {
#pragma HLS UNROLL
              Exact<ACCUMULATOR> part = 0;
              for (int lane = segment; lane < segment + SEGMENT; ++lane) {
#pragma HLS UNROLL
                // Known per template: a remainder here keeps g++ from vector code.
                const int source = LANES == SIMD ? lane : pe * SIMD + lane;
                part += Exact<ACCUMULATOR>(
                    P::multiply(window[input][source], weight<P>(weights, first + pe * SIMD + lane)));
              }
              const int index =
                  block + pe * Shape::HELD + (word_of_row % SPAN * SIMD + segment) / Shape::BLOCK;
              sum += scaled<ACCUMULATOR>(part, exponents, index);
            }
            sums[pe] = sum;
          }
        }
        Word<ap_uint<ACCUMULATOR>, PE> result;
        for (int pe = 0; pe < PE; ++pe) {
#pragma HLS UNROLL
          result.lane[pe] = ap_uint<ACCUMULATOR>(sums[pe]);
        }
        out.write(result);
      }
    }
  }
}

}  // namespace pyqkit
