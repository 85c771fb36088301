// Tiles of bytes; see pairs.cpp for AVX2.
#include "tile_rows.hpp"

#ifndef PYQKIT_AVX2
namespace {

// Four unsigned bytes times four signed ones.
struct Bytes {
  typedef uint8_t Activation;
  typedef int8_t Weight;
  static const int GROUP = 4;
#if defined(PYQKIT_VNNI)
  typedef __m512i Few, Weights;
  static Few few(const char *from) { return _mm512_set1_epi32(word_at(from)); }
  static Weights weights(const char *from) { return _mm512_loadu_si512(from); }
  static Ints added(Ints sums, Few x, Weights w) { return (Ints)_mm512_dpbusd_epi32((__m512i)sums, x, w); }
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
  rows_of_tiles<Bytes>(taps, pixels, blocks, weights, start, out, out_stride);
}
#endif
