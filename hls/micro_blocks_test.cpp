// 48 outputs of 6 inputs in MicroScopiQ's blocks of both widths of slots, PE 16 and SIMD 3, two windows: sums against those of values
// that the bench puts into the blocks, with none to four outliers each. Macro-blocks are 32 outputs here, so the second one is short.
#include "micro_blocks.hpp"
#include "simulation/test_bench.hpp"

static const int OUTPUTS = 48, INPUTS = 6, PE = 16, SIMD = 3, FOLDS = INPUTS / SIMD,
                 LINES = OUTPUTS / PE * FOLDS;
static const int LANES = PE / 8 * SIMD, MACRO = 32, WINDOWS = 2;

template <int BITS> struct Stored {
  static int slots[LINES][PE * SIMD], flags[LINES][LANES], exponents[2 * FOLDS][SIMD], sides[LANES][LINES];
  static int values[OUTPUTS][INPUTS];
  static int slot(int line, int index) { return slots[line][index]; }
  static int flag(int line, int lane) { return flags[line][lane]; }
  static int exponent(int word, int input) { return exponents[word][input]; }
  static int side(int lane, int place) { return sides[lane][place]; }

  static unsigned random(unsigned below) {
    static unsigned state = 1;
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % below;
  }
  static void put(int output, int input, int slot) {
    slots[output / PE * FOLDS + input / SIMD][output % PE * SIMD + input % SIMD] = slot;
  }
  static void fill() {
    const int sign = 1 << (BITS - 1), half = BITS / 2;
    int counts[LANES] = {};
    for (int word = 0; word < 2 * FOLDS * SIMD; ++word) exponents[word / SIMD][word % SIMD] = random(8);
    for (int line = 0; line < LINES; ++line)
      for (int lane = 0; lane < LANES; ++lane) {
        const int first = line / FOLDS * PE + lane / SIMD * 8, input = line % FOLDS * SIMD + lane % SIMD;
        const int scale = exponents[first / MACRO * FOLDS + input / SIMD][input % SIMD];
        for (int c = 0; c < 8; ++c) {
          const int magnitude = random(sign), minus = magnitude ? random(2) : 0;
          put(first + c, input, minus * sign | magnitude);
          values[first + c][input] = (minus ? -magnitude : magnitude) * (1 << scale);
        }
        const int outliers = random(5), shift = random(8);
        int order[8] = {0, 1, 2, 3, 4, 5, 6, 7}, side = shift;
        for (int c = 7; c > 0; --c) std::swap(order[c], order[random(c + 1)]);
        for (int pair = 0; pair < outliers; ++pair) {
          const int upper = order[2 * pair], lower = order[2 * pair + 1], minus = random(2);
          const int rest = random(1 << (2 * half)), magnitude = (1 << (2 * half)) + rest;
          put(first + upper, input, minus * sign | rest >> half);
          put(first + lower, input, minus * sign | (rest & ((1 << half) - 1)));
          values[first + upper][input] = (minus ? -magnitude : magnitude) * (1 << shift);
          values[first + lower][input] = 0;
          side |= (upper | lower << 3) << (3 + 6 * pair);
        }
        flags[line][lane] = outliers > 0;
        if (outliers > 0) sides[lane][counts[lane]++] = side;
      }
  }
};
template <int BITS> int Stored<BITS>::slots[LINES][PE * SIMD];
template <int BITS> int Stored<BITS>::flags[LINES][LANES];
template <int BITS> int Stored<BITS>::exponents[2 * FOLDS][SIMD];
template <int BITS> int Stored<BITS>::sides[LANES][LINES];
template <int BITS> int Stored<BITS>::values[OUTPUTS][INPUTS];

// An integer of eight bits times a code.
struct Product {
  static const int WIDTH = 20;
  typedef ap_int<8> Left;
  typedef ap_int<13> Right;
  typedef ap_uint<8> LeftCode;
  typedef ap_uint<9> RightCode;
  static Left left(LeftCode code) { return Left(code); }
  static Right right(RightCode code) {
    const int bits = int(code), magnitude = ((bits & 7) | (bits >> 7) << 3) << (bits >> 4 & 7);
    return Right(bits & 8 ? -magnitude : magnitude);
  }
  static pyqkit::Exact<WIDTH> multiply(Left a, Right b) {
    return pyqkit::Exact<WIDTH>(a) * pyqkit::Exact<WIDTH>(b);
  }
};

template <int SLOT> struct Blocks {
  static const int LINES = ::LINES, FOLDS = ::FOLDS, REPEAT = MACRO / ::PE, PE = ::PE, SIMD = ::SIMD,
                   BITS = SLOT;
};
struct Unit {
  static const int ACCUMULATOR = 24, CODE_BITS = 8, AT_ONCE = 1, WINDOWS = ::WINDOWS, GROUPS = 1;
  static const int OUTPUT_FOLDS = OUTPUTS / ::PE, INPUT_FOLDS = FOLDS, PE = ::PE, SIMD = ::SIMD,
                   LANES = ::SIMD;
  static const int BLOCK = ::SIMD, SEGMENT = ::SIMD, HELD = 1, SPAN = 1, ROW = 1;
};

template <class W> void run(const W &weights, const int (&values)[OUTPUTS][INPUTS]) {
  int codes[WINDOWS * INPUTS], expected[WINDOWS * OUTPUTS];
  for (int i = 0; i < WINDOWS * INPUTS; ++i) codes[i] = (i * 77 + 129) % 256;
  for (int i = 0; i < WINDOWS * OUTPUTS; ++i) {
    expected[i] = 0;
    for (int input = 0; input < INPUTS; ++input)
      expected[i] += int(int8_t(codes[i / OUTPUTS * INPUTS + input])) * values[i % OUTPUTS][input];
    expected[i] &= (1 << Unit::ACCUMULATOR) - 1;
  }
  hls::stream<pyqkit::Word<ap_uint<8>, SIMD>> in("in", 1000);
  hls::stream<pyqkit::Word<ap_uint<Unit::ACCUMULATOR>, PE>> out("out", 1000);
  send<ap_uint<8>, SIMD>(in, codes, WINDOWS * INPUTS);
  pyqkit::matrix_vector<Unit, Product>(in, out, weights, pyqkit::NoExponents());
  expect<ap_uint<Unit::ACCUMULATOR>, PE>(out, expected, WINDOWS * OUTPUTS);
}

template <int BITS> void check() {
  Stored<BITS>::fill();
  const pyqkit::MicroBlocks<Blocks<BITS>, Stored<BITS>> blocks{};
  run(blocks, Stored<BITS>::values);
  const pyqkit::Weights<Product, LINES, PE * SIMD> memory{blocks};  // decoded once, as in simulation
  run(memory, Stored<BITS>::values);
}

int main() {
  check<2>();
  check<4>();
  return finish_bench();
}
