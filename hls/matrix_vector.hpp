// Matrix-vector unit: windows times constant weights, summed exactly. PE outputs and SIMD inputs at a time.
//
// Weights are codes in the order in which they are used: [group][output fold][input fold][PE][SIMD]. A word of a window has SIMD
// inputs that all PE share, or PE * SIMD so that each has its own: then a group is PE channels of a depthwise convolution.
#pragma once
#include "product.hpp"

namespace pyqkit {

// The weights of one layer: hardware reads the array `weights` and decodes codes as they leave the memory; simulation decodes
// them once, into `memory`. Generated text declares by PYQKIT_WEIGHTS and passes PYQKIT_MEMORY.
#ifdef __SYNTHESIS__
#define PYQKIT_WEIGHTS(memory, weights, product, count)
#define PYQKIT_MEMORY(memory, weights) weights
template <class P, class T, int COUNT> typename P::Right weight(const T (&codes)[COUNT], int index) {
#pragma HLS INLINE
  return P::right(typename P::RightCode(codes[index]));
}
#else
#define PYQKIT_WEIGHTS(memory, weights, product, count) static const pyqkit::Weights<product, count> memory{weights};
#define PYQKIT_MEMORY(memory, weights) memory
template <class P, int COUNT> struct Weights {
  std::vector<typename P::Right> decoded;
  template <class T> explicit Weights(const T (&codes)[COUNT]) {
    for (int i = 0; i < COUNT; ++i) decoded.push_back(P::right(typename P::RightCode(codes[i])));
  }
};
template <class P, int COUNT> const typename P::Right &weight(const Weights<P, COUNT> &weights, int index) { return weights.decoded[index]; }
#endif

// No shift of products; a layer whose weights have scales by block passes a struct with an array instead.
struct NoShifts {
  static int at(int) { return 0; }
};

template <class P, int ACCUMULATOR, int PIXELS, int GROUPS, int OUTPUT_FOLDS, int INPUT_FOLDS, int PE, int SIMD, int LANES, class Shifts, class W>
void matrix_vector(hls::stream<Word<typename P::LeftCode, LANES>> &in, hls::stream<Word<ap_uint<ACCUMULATOR>, PE>> &out, const W &weights) {
#pragma HLS ARRAY_RESHAPE variable = weights cyclic factor = PE * SIMD  // so many are read in every cycle
  static_assert(LANES == SIMD || LANES == PE * SIMD, "all PE share SIMD inputs, or each has its own");
  typename P::Left window[INPUT_FOLDS][LANES];
#pragma HLS ARRAY_PARTITION variable = window complete dim = 2  // all lanes are read in every cycle
  for (int pixel = 0; pixel < PIXELS; ++pixel) {
    for (int group = 0; group < GROUPS; ++group) {
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
          for (int pe = 0; pe < PE; ++pe) {
#pragma HLS UNROLL
            Exact<ACCUMULATOR> sum = input == 0 ? Exact<ACCUMULATOR>(0) : sums[pe];
            for (int lane = 0; lane < SIMD; ++lane) {
#pragma HLS UNROLL
              const int index = first + pe * SIMD + lane;
              const int source = LANES == SIMD ? lane : pe * SIMD + lane;  // known per template: a remainder here keeps g++ from vector code
              const Exact<ACCUMULATOR> term = P::multiply(window[input][source], weight<P>(weights, index));
              sum += Exact<ACCUMULATOR>(term << Shifts::at(index));
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
