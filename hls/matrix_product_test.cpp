// Two groups in int4 times uint3: scores of 3 pixels with 4 others, and contexts of as many, in two foldings each, against plain
// sums; a second frame has other codes.
#include "matrix_product.hpp"
#include "simulation/test_bench.hpp"

static const int GROUPS = 2, CHANNELS = 6, TOKENS = 4, PIXELS = 3;

typedef pyqkit::Integer<4, true> Int4;
typedef pyqkit::IntegerProduct<Int4, pyqkit::Integer<3, false>, 8> Product;

template <bool ACROSS_, int PE_, int SIMD_> struct Shape {
  static const bool ACROSS = ACROSS_;
  static const int PE = PE_, SIMD = SIMD_, LEFT_BITS = 4, RIGHT_BITS = 3, ACCUMULATOR = 12,
                   WINDOWS = ::PIXELS, PIXELS = ::TOKENS, GROUPS = ::GROUPS;
  static const int OUTPUTS = ACROSS ? CHANNELS : TOKENS, TERMS = ACROSS ? TOKENS : CHANNELS;
  static const int OUTPUT_FOLDS = OUTPUTS / PE, INPUT_FOLDS = TERMS / SIMD, LANES = ACROSS ? PE : SIMD,
                   BANKS = ACROSS ? SIMD : PE, INNER = ACROSS ? 1 : INPUT_FOLDS,
                   PARTS = GROUPS * CHANNELS / LANES / INNER, DEPTH = GROUPS * OUTPUT_FOLDS * INPUT_FOLDS;
};

template <bool ACROSS, int PE, int SIMD> void run() {
  typedef Shape<ACROSS, PE, SIMD> S;
  static const int LEFT = PIXELS * GROUPS * S::TERMS, RIGHT = TOKENS * GROUPS * CHANNELS,
                   OUT = PIXELS * GROUPS * S::OUTPUTS;
  int a[2 * LEFT], b[2 * RIGHT], expected[2 * OUT];
  for (int i = 0; i < 2 * LEFT; ++i) a[i] = (i * 11 + i / 7) % 16;
  for (int i = 0; i < 2 * RIGHT; ++i) b[i] = (i * 5 + i / 3) % 8;
  for (int i = 0; i < 2 * OUT; ++i) {
    const int frame = i / OUT, pixel = i % OUT / (GROUPS * S::OUTPUTS), group = i / S::OUTPUTS % GROUPS;
    int sum = 0;
    for (int term = 0; term < S::TERMS; ++term) {
      const int token = ACROSS ? term : i % S::OUTPUTS, channel = ACROSS ? i % S::OUTPUTS : term;
      sum += int(Int4::decode(a[frame * LEFT + (pixel * GROUPS + group) * S::TERMS + term])) *
             b[frame * RIGHT + (token * GROUPS + group) * CHANNELS + channel];
    }
    expected[i] = sum & 4095;
  }
  hls::stream<pyqkit::Word<ap_uint<4>, SIMD>> left("left", 1000);
  hls::stream<pyqkit::Word<ap_uint<3>, S::LANES>> right("right", 1000);
  hls::stream<pyqkit::Word<ap_uint<12>, PE>> out("out", 1000);
  send<ap_uint<4>, SIMD>(left, a, 2 * LEFT);
  send<ap_uint<3>, S::LANES>(right, b, 2 * RIGHT);
  for (int frame = 0; frame < 2; ++frame) pyqkit::matrix_product<S, Product>(left, right, out);
  expect<ap_uint<12>, PE>(out, expected, 2 * OUT);
}

int main() {
  run<false, 1, 1>();
  run<false, 2, 3>();
  run<false, 4, 6>();
  run<true, 1, 1>();
  run<true, 3, 2>();
  run<true, 2, 4>();
  return finish_bench();
}
