// Tiles of words.
#include "tile_rows.hpp"

namespace {

// Two signed words times two.
struct Words {
  typedef int16_t Activation;
  typedef int16_t Weight;
  static const int GROUP = 2;
#if defined(PYQKIT_VNNI)
  typedef __m512i Few, Weights;
  static Few few(const char *from) { return _mm512_set1_epi32(word_at(from)); }
  static Weights weights(const char *from) { return _mm512_loadu_si512(from); }
  static Ints added(Ints sums, Few x, Weights w) { return (Ints)_mm512_dpwssd_epi32((__m512i)sums, x, w); }
#elif defined(PYQKIT_AVX2)
  typedef __m256i Few, Weights;
  static Few few(const char *from) { return _mm256_set1_epi32(word_at(from)); }
  static Weights weights(const char *from) { return held(from); }
  static Ints added(Ints sums, Few x, Weights w) { return sums + (Ints)_mm256_madd_epi16(x, w); }
#else
  typedef const char *Few, *Weights;
  static Few few(const char *from) { return from; }
  static Weights weights(const char *from) { return from; }
  static Ints added(Ints sums, Few from, Weights weights) {
    int16_t x[2], w[2 * VECTOR];
    std::memcpy(x, from, sizeof x);
    std::memcpy(w, weights, sizeof w);
    for (int lane = 0; lane < VECTOR; ++lane) sums[lane] += x[0] * w[2 * lane] + x[1] * w[2 * lane + 1];
    return sums;
  }
#endif
};

}  // namespace

void row_of_words(const Taps &taps, int pixels, int blocks, const char *weights, const int32_t *start,
                  int32_t *out, int out_stride) {
  rows_of_tiles<Words>(taps, pixels, blocks, weights, start, out, out_stride);
}
