// Matrix-vector unit: windows times weights, summed exactly. PE outputs and SIMD inputs at a time.
//
// Weights are codes in the order in which they are used: [group][output fold][input fold][PE][SIMD]. A word of a window has SIMD
// inputs that all PE share, or PE * SIMD so that each has its own: then a group is PE channels of a depthwise convolution. A lane
// has the codes of AT_ONCE neighbouring pixels side by side (pixel_pairs.hpp), all of which meet the same weights.
// Weights and exponents are arguments: constants of the network, or arrays that something has loaded. Weights may be those of
// several passes, one behind the other.
//
// Weights in blocks have exponents in an array of their own, one for every block of each PE and kernel position. SEGMENT lanes
// lie in one block whichever word it is: their products are summed, then shifted. PE * HELD exponents, of BLOCK lanes each, serve
// SPAN words of weights; a kernel position has ROW words: [group][output fold][kernel position][words of exponents][PE][HELD].
#pragma once
#include "product.hpp"

namespace pyqkit {

// The weights of one layer, a line for each fold: hardware reads the array `weights` and decodes codes as they leave the memory;
// simulation decodes them once, into `memory`. Generated text declares by PYQKIT_WEIGHTS and passes PYQKIT_MEMORY. An array of
// codes fits both.
template <class P, class T, int LINES, int COUNT>
typename P::Right weight(const T (&codes)[LINES][COUNT], int line, int index) {
#pragma HLS INLINE
  return P::right(typename P::RightCode(codes[line][index]));
}
// How the weights of a line are read: those of an array by their place. Others specialise it (micro_blocks.hpp), and make in `step`
// what is read of a line.
template <class P, class W> struct Lines {
  const W &weights;
  explicit Lines(const W &weights) : weights(weights) {}
  void step(int) {
#pragma HLS INLINE
  }
  decltype(auto) at(int line, int index) const {
#pragma HLS INLINE
    return weight<P>(weights, line, index);
  }
};
#ifndef PYQKIT_SIMULATION
#define PYQKIT_WEIGHTS(memory, weights, product, lines, count)
#define PYQKIT_MEMORY(memory, weights) weights
// Windows are kept as codes too.
template <class P> struct Kept {
  typedef typename P::LeftCode type;
  static type keep(typename P::LeftCode code) {
#pragma HLS INLINE
    return code;
  }
  static typename P::Left left(type code) {
#pragma HLS INLINE
    return P::left(code);
  }
};
#else
#define PYQKIT_WEIGHTS(memory, weights, product, lines, count) \
  static const pyqkit::Weights<product, lines, count> memory{weights};
#define PYQKIT_MEMORY(memory, weights) memory
template <class P, int LINES, int COUNT> struct Weights {
  std::vector<typename P::Right> decoded;
  template <class T> explicit Weights(const T (&codes)[LINES][COUNT]) {
    for (int line = 0; line < LINES; ++line)
      for (int i = 0; i < COUNT; ++i) decoded.push_back(P::right(typename P::RightCode(codes[line][i])));
  }
  template <class Blocks> explicit Weights(const Blocks &blocks) {
    Lines<P, Blocks> lines(blocks);
    for (int line = 0; line < LINES; ++line) {
      lines.step(line);
      for (int i = 0; i < COUNT; ++i) decoded.push_back(lines.at(line, i));
    }
  }
};
template <class P, int LINES, int COUNT>
const typename P::Right &weight(const Weights<P, LINES, COUNT> &weights, int line, int index) {
  return weights.decoded[line * COUNT + index];
}
template <class P> struct Kept {
  typedef typename P::Left type;
  static type keep(typename P::LeftCode code) { return P::left(code); }
  static const type &left(const type &number) { return number; }
};
#endif

// Of weights without blocks.
struct NoExponents {};
template <int BITS> Exact<BITS> scaled(Exact<BITS> sum, const NoExponents &, int, int) {
#pragma HLS INLINE
  return sum;
}
// Exponents go up to 63; what is shifted is unsigned, as a left shift of a negative number has no meaning before C++20.
template <int BITS, class T, int LINES, int COUNT>
Exact<BITS> scaled(Exact<BITS> sum, const T (&exponents)[LINES][COUNT], int line, int index) {
#pragma HLS INLINE
  return Exact<BITS>(ap_uint<64>(ap_uint<64>(sum) << int(exponents[line][index])));
}

// Where the exponents of a word of weights lie: line `at` of their memory, in the part of the word's place `within` the SPAN words
// that it serves. Lines begin anew with every kernel position.
template <class Shape> struct ExponentWalk {
  static constexpr int POSITIONS = Shape::INPUT_FOLDS / Shape::ROW;
  static constexpr int LINES_OF_ROW = (Shape::ROW + Shape::SPAN - 1) / Shape::SPAN;
  static constexpr int LINES = Shape::GROUPS * Shape::OUTPUT_FOLDS * POSITIONS * LINES_OF_ROW;
  Counter<Shape::ROW> word;
  Counter<Shape::SPAN> within;
  Counter<LINES> line;
  void step() {
#pragma HLS INLINE
    const bool row_ends = word.step(), line_ends = within.step();
    if (row_ends) within.at = 0;
    if (row_ends || line_ends) line.step();
  }
};

// Shape is a struct of constants: ACCUMULATOR (bits of a sum), CODE_BITS (of an input), WINDOWS (each of AT_ONCE pixels), GROUPS,
// OUTPUT_FOLDS, INPUT_FOLDS, PE, SIMD, LANES (of a word of a window), AT_ONCE, and, read for weights in blocks alone, BLOCK,
// SEGMENT, HELD, SPAN and ROW. P is a product; where outputs share a multiplication (Terms in product.hpp), a code of a weight
// holds that of each. A word of the result has the sums of each pixel in turn.
template <class Shape, class P, class W, class E>
void matrix_vector(hls::stream<Word<ap_uint<Shape::CODE_BITS * Shape::AT_ONCE>, Shape::LANES>> &in,
                   hls::stream<Word<ap_uint<Shape::ACCUMULATOR>, Shape::PE * Shape::AT_ONCE>> &out,
                   const W &weights, const E &exponents, int pass = 0) {
  static constexpr int ACCUMULATOR = Shape::ACCUMULATOR, PE = Shape::PE, SIMD = Shape::SIMD;
  static constexpr int CODE_BITS = Shape::CODE_BITS, AT_ONCE = Shape::AT_ONCE;
  static constexpr int LANES = Shape::LANES, SEGMENT = Shape::SEGMENT, SPAN = Shape::SPAN;
  static constexpr int FOLDS = Shape::GROUPS * Shape::OUTPUT_FOLDS * Shape::INPUT_FOLDS;
  static constexpr int TRIPS = Shape::WINDOWS * FOLDS;
  static constexpr int OUTPUTS = Terms<P>::OUTPUTS, PIXELS = Terms<P>::PIXELS, SHARED = OUTPUTS * PIXELS;
  static constexpr int LENGTH = Terms<P>::length(SEGMENT);
  static_assert(LANES == SIMD || (LANES == PE * SIMD && OUTPUTS == 1),
                "all PE share SIMD inputs, or each has its own");
  static_assert(PE % OUTPUTS == 0 && AT_ONCE % PIXELS == 0 && SEGMENT % LENGTH == 0, "terms are whole");
  PYQKIT_TRIPS(TRIPS);
  typename Kept<P>::type window[Shape::INPUT_FOLDS][AT_ONCE * LANES];
#pragma HLS ARRAY_PARTITION variable = window complete dim = 2
#pragma HLS BIND_STORAGE variable = window type = ram_s2p impl = lutram
  Exact<ACCUMULATOR> sums[AT_ONCE * PE];
#pragma HLS ARRAY_PARTITION variable = sums complete
  const int first = pass * FOLDS;
  Counter<Shape::INPUT_FOLDS> input;
  Counter<Shape::OUTPUT_FOLDS> output;
  Counter<FOLDS> fold;
  ExponentWalk<Shape> walk;
  Lines<P, W> lines(weights);
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    if (output.first()) {  // the first fold reads the window, the others reuse it
      const Word<ap_uint<CODE_BITS * AT_ONCE>, LANES> word = in.read();
      for (int pixel = 0; pixel < AT_ONCE; ++pixel) {
#pragma HLS UNROLL
        for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
          const typename P::LeftCode code = word.lane[lane] >> (pixel * CODE_BITS);
          window[input.at][pixel * LANES + lane] = Kept<P>::keep(code);
        }
      }
    }
    lines.step(fold.at);
    Word<ap_uint<ACCUMULATOR>, AT_ONCE * PE> result;
    for (int pixel = 0; pixel < AT_ONCE; pixel += PIXELS) {
#pragma HLS UNROLL
      for (int pe = 0; pe < PE; pe += OUTPUTS) {
#pragma HLS UNROLL
        // What goes round is added to the sum of the products, not they to it.
        Exact<ACCUMULATOR> totals[SHARED];
#pragma HLS ARRAY_PARTITION variable = totals complete
        for (int term = 0; term < SHARED; ++term) {
#pragma HLS UNROLL
          totals[term] = 0;
        }
        for (int segment = 0; segment < SIMD; segment += SEGMENT) {
#pragma HLS UNROLL
          Exact<ACCUMULATOR> parts[SHARED];
#pragma HLS ARRAY_PARTITION variable = parts complete
          for (int column = segment; column < segment + SEGMENT; column += LENGTH) {
#pragma HLS UNROLL
            typename Terms<P>::template Sum<ACCUMULATOR> sum = Terms<P>::START;
            for (int lane = column; lane < column + LENGTH; ++lane) {
#pragma HLS UNROLL
              // Known per template: a remainder here keeps g++ from vector code.
              const int source = pixel * LANES + (LANES == SIMD ? lane : pe * SIMD + lane);
              const int place = pe / OUTPUTS * SIMD + lane;
              sum += Terms<P>::product(Kept<P>::left(window[input.at][source]),
                                       Kept<P>::left(window[input.at][source + (PIXELS - 1) * LANES]),
                                       lines.at(first + fold.at, place));
            }
            for (int term = 0; term < SHARED; ++term) {
#pragma HLS UNROLL
              const Exact<ACCUMULATOR> found = Terms<P>::term(sum, term);
              parts[term] = column == segment ? found : Exact<ACCUMULATOR>(parts[term] + found);
            }
          }
          for (int term = 0; term < SHARED; ++term) {
#pragma HLS UNROLL
            for (int place = 0; place < SPAN; ++place) {
#pragma HLS UNROLL
              const int index = (pe + term / PIXELS) * Shape::HELD + (place * SIMD + segment) / Shape::BLOCK;
              if (walk.within.at == place)
                totals[term] += scaled<ACCUMULATOR>(parts[term], exponents, walk.line.at, index);
            }
          }
        }
        for (int term = 0; term < SHARED; ++term) {
#pragma HLS UNROLL
          const int at = (pixel + term % PIXELS) * PE + pe + term / PIXELS;
          sums[at] = input.first() ? totals[term] : Exact<ACCUMULATOR>(sums[at] + totals[term]);
          result.lane[at] = ap_uint<ACCUMULATOR>(sums[at]);
        }
      }
    }
    if (input.last()) out.write(result);
    walk.step();
    fold.step();
    if (input.step()) output.step();
  }
}

}  // namespace pyqkit
