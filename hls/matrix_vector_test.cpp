// A grouped 8x18 matrix in int4, PE 2 and SIMD 6, against plain sums: weights alone, and weights in blocks of 4 inputs with
// exponents of their own, of which SIMD is no multiple and the last is partial. Weights are constants, and loaded from a stream.
#include "matrix_vector.hpp"
#include "simulation/test_bench.hpp"

static const int GROUPS = 2, OUTPUTS = 4, INPUTS = 18, PE = 2, SIMD = 6, PIXELS = 3, BLOCK = 4, BLOCKS = 5;
static const int COUNT = GROUPS * OUTPUTS * INPUTS;
static const int FOLDS = COUNT / (PE * SIMD);
static uint8_t weights[FOLDS][PE * SIMD];

struct Plain {
  static const int ACCUMULATOR = 16, CODE_BITS = 4, AT_ONCE = 1, WINDOWS = PIXELS, GROUPS = ::GROUPS,
                   OUTPUT_FOLDS = OUTPUTS / ::PE, INPUT_FOLDS = INPUTS / ::SIMD;
  static const int PE = ::PE, SIMD = ::SIMD, LANES = ::SIMD, BLOCK = ::SIMD, SEGMENT = ::SIMD, HELD = 1,
                   SPAN = 1, ROW = 1;
};
// Three words of weights are two of exponents: 12 inputs with three blocks, and 6 with two.
struct InBlocks : Plain {
  static const int BLOCK = ::BLOCK, SEGMENT = 2, HELD = 3, SPAN = 2, ROW = 3;
};
static const int WORDS = 2;
static uint8_t exponents[GROUPS * (OUTPUTS / PE) * WORDS][PE * InBlocks::HELD];

typedef pyqkit::Integer<4, true> Int4;
typedef pyqkit::IntegerProduct<Int4, Int4, 8> Product;

static int exponent(int group, int output, int block) { return (group + 2 * output + 3 * block) % 4; }

template <class Shape, class W, class E> void run(const W &source, const E &scales, bool shifted) {
  int codes[PIXELS * GROUPS * INPUTS], expected[PIXELS * GROUPS * OUTPUTS];
  for (int i = 0; i < PIXELS * GROUPS * INPUTS; ++i) codes[i] = (i * 11 + 2) % 16;
  for (int pixel = 0; pixel < PIXELS; ++pixel)
    for (int group = 0; group < GROUPS; ++group)
      for (int output = 0; output < OUTPUTS; ++output) {
        int sum = 0;
        for (int input = 0; input < INPUTS; ++input) {
          // order of use: [group][output fold][input fold][PE][SIMD]
          const int fold = (group * OUTPUTS / PE + output / PE) * INPUTS / SIMD + input / SIMD;
          const int weight = weights[fold][output % PE * SIMD + input % SIMD];
          const int product =
              int(Int4::decode(codes[(pixel * GROUPS + group) * INPUTS + input])) * int(Int4::decode(weight));
          sum += product * (shifted ? 1 << exponent(group, output, input / BLOCK) : 1);
        }
        expected[(pixel * GROUPS + group) * OUTPUTS + output] = sum & 0xffff;
      }
  hls::stream<pyqkit::Word<ap_uint<4>, SIMD>> in("in", 1000);
  hls::stream<pyqkit::Word<ap_uint<16>, PE>> out("out", 1000);
  send<ap_uint<4>, SIMD>(in, codes, PIXELS * GROUPS * INPUTS);
  pyqkit::matrix_vector<Shape, Product>(in, out, source, scales);
  expect<ap_uint<16>, PE>(out, expected, PIXELS * GROUPS * OUTPUTS);
}

int main() {
  for (int i = 0; i < COUNT; ++i) weights[i / (PE * SIMD)][i % (PE * SIMD)] = (i * 5 + 1) % 16;
  for (int group = 0; group < GROUPS; ++group)
    for (int fold = 0; fold < OUTPUTS / PE; ++fold)
      for (int word = 0; word < WORDS; ++word)
        for (int pe = 0; pe < PE; ++pe)
          for (int held = 0; held < InBlocks::HELD; ++held) {
            const int block = word * InBlocks::HELD + held;
            exponents[(group * (OUTPUTS / PE) + fold) * WORDS + word][pe * InBlocks::HELD + held] =
                block < BLOCKS ? exponent(group, fold * PE + pe, block) : 0;
          }
  const pyqkit::Weights<Product, FOLDS, PE * SIMD> memory{weights};
  run<Plain>(memory, pyqkit::NoExponents(), false);
  run<InBlocks>(memory, exponents, true);
  hls::stream<ap_uint<4>> port("port", 1000);  // another source: an array that is loaded before it is read
  for (int i = 0; i < COUNT; ++i) port.write(ap_uint<4>(weights[i / (PE * SIMD)][i % (PE * SIMD)]));
  ap_uint<4> loaded[FOLDS][PE * SIMD];
  for (int i = 0; i < COUNT; ++i) loaded[i / (PE * SIMD)][i % (PE * SIMD)] = port.read();
  run<InBlocks>(loaded, exponents, true);
  return finish_bench();
}
