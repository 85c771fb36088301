// Tiles of bytes.
#include "tile_rows.hpp"

namespace {

// Four unsigned bytes times four signed ones. With PAIRS the products of two neighbours fit 16 bits, which only weights can
// tell; it matters where there is no instruction for all four.
template <bool PAIRS> struct Bytes {
  typedef uint8_t Activation;
  typedef int8_t Weight;
  static const int GROUP = 4;
#if defined(PYQKIT_VNNI)
  typedef __m512i Few, Weights;
  static Few few(const char *from) { return _mm512_set1_epi32(word_at(from)); }
  static Weights weights(const char *from) { return _mm512_loadu_si512(from); }
  static Ints added(Ints sums, Few x, Weights w) { return (Ints)_mm512_dpbusd_epi32((__m512i)sums, x, w); }
#elif defined(PYQKIT_AVX2)
  struct Halves {
    __m256i even, odd;
  };
  typedef Halves Few, Weights;
  static Few few(const char *from) {
    const __m256i x = _mm256_set1_epi32(word_at(from));
    if (PAIRS) return {x, x};
    return {_mm256_and_si256(x, _mm256_set1_epi16(255)), _mm256_srli_epi16(x, 8)};
  }
  static Weights weights(const char *from) {
    const __m256i w = _mm256_loadu_si256((const __m256i *)from);
    if (PAIRS) return {w, w};
    return {_mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8), _mm256_srai_epi16(w, 8)};
  }
  static Ints added(Ints sums, const Few &x, const Weights &w) {
    if (PAIRS) {
      const __m256i pairs = _mm256_maddubs_epi16(x.even, w.even);
      return sums + (Ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    }
    return sums + (Ints)_mm256_madd_epi16(x.even, w.even) + (Ints)_mm256_madd_epi16(x.odd, w.odd);
  }
#else
  typedef const char *Few, *Weights;
  static Few few(const char *from) { return from; }
  static Weights weights(const char *from) { return from; }
  static Ints added(Ints sums, Few from, Weights weights) {
    const uint8_t *x = (const uint8_t *)from;
    const int8_t *w = (const int8_t *)weights;
    for (int lane = 0; lane < VECTOR; ++lane, w += 4)
      sums[lane] += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
    return sums;
  }
#endif
};

}  // namespace

void row_of_bytes(const Taps &taps, int pixels, int blocks, const char *weights, const int32_t *start,
                  int32_t *out, int out_stride) {
  rows_of_tiles<Bytes<false>>(taps, pixels, blocks, weights, start, out, out_stride);
}

#ifdef PYQKIT_VNNI
void row_of_byte_pairs(const Taps &taps, int pixels, int blocks, const char *weights, const int32_t *start,
                       int32_t *out, int out_stride) {
  row_of_bytes(taps, pixels, blocks, weights, start, out, out_stride);
}
#else
void row_of_byte_pairs(const Taps &taps, int pixels, int blocks, const char *weights, const int32_t *start,
                       int32_t *out, int out_stride) {
  rows_of_tiles<Bytes<true>>(taps, pixels, blocks, weights, start, out, out_stride);
}
#endif
