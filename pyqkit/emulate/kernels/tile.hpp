// Inner products of a window, of bytes or of words, for some pixels and some vectors of outputs whose sums stay in registers.
// Every sum is exact: Python proves that partial sums fit 32 bits before it calls one of these.
#pragma once
#include "vector.hpp"

namespace {

const int SPAN = 64;  // pixels whose sums stay in the cache

inline int32_t word_at(const char *from) { return loaded<int32_t>(from); }

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
  static Weights weights(const char *from) { return _mm256_loadu_si256((const __m256i *)from); }
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

// What all tiles of a row of pixels share.
struct Taps {
  const char *const *rows;  // of the window, at the first pixel
  int kernel_h, groups;     // of a row of the window
  int stride_bytes;         // from pixel to pixel
  int64_t panel_bytes;      // weights of LANES outputs
};

// STRIDE: bytes from pixel to pixel, so that they are constants of the loads; 0 if only `taps` says.
template <class Dot, int VECTORS, int PIXELS, int STRIDE>
void tile(const Taps &taps, int64_t moved, const char *weights, const int32_t *start, int32_t *out,
          int out_stride) {
  const int stride_bytes = STRIDE ? STRIDE : taps.stride_bytes;
  Ints sums[PIXELS][VECTORS];
  for (int p = 0; p < PIXELS; ++p)
    for (int v = 0; v < VECTORS; ++v) sums[p][v] = loaded<Ints>(start + v * VECTOR);
  for (int ky = 0; ky < taps.kernel_h; ++ky) {
    const char *row = taps.rows[ky] + moved;
    for (int g = 0; g < taps.groups; ++g, row += 4, weights += 4 * LANES) {
      typename Dot::Weights w[VECTORS];
      for (int v = 0; v < VECTORS; ++v)
        w[v] = Dot::weights(weights + v * VECTOR / LANES * taps.panel_bytes + v * VECTOR % LANES * 4);
      for (int p = 0; p < PIXELS; ++p) {
        const typename Dot::Few x = Dot::few(row + p * stride_bytes);
        for (int v = 0; v < VECTORS; ++v) sums[p][v] = Dot::added(sums[p][v], x, w[v]);
      }
    }
  }
  for (int p = 0; p < PIXELS; ++p)
    for (int v = 0; v < VECTORS; ++v) stored(out + (int64_t)p * out_stride + v * VECTOR, VECTOR, sums[p][v]);
}

template <class Dot, int VECTORS, int STRIDE>
void tiles(const Taps &taps, int pixels, const char *weights, const int32_t *start, int32_t *out,
           int out_stride) {
#ifdef PYQKIT_VNNI
  const int MOST = 16 / VECTORS;
#else
  const int MOST = 4;
#endif
  const int stride_bytes = STRIDE ? STRIDE : taps.stride_bytes;
  int done = 0;
  for (; pixels - done >= MOST; done += MOST)
    tile<Dot, VECTORS, MOST, STRIDE>(taps, (int64_t)done * stride_bytes, weights, start,
                                     out + (int64_t)done * out_stride, out_stride);
  for (; pixels - done >= 4; done += 4)
    tile<Dot, VECTORS, 4, STRIDE>(taps, (int64_t)done * stride_bytes, weights, start,
                                  out + (int64_t)done * out_stride, out_stride);
  for (; done < pixels; ++done)
    tile<Dot, VECTORS, 1, STRIDE>(taps, (int64_t)done * stride_bytes, weights, start,
                                  out + (int64_t)done * out_stride, out_stride);
}

template <class Dot, int STRIDE>
void blocks_of_tiles(const Taps &taps, int pixels, int blocks, const char *weights, const int32_t *start,
                     int32_t *out, int out_stride) {
  int block = 0;
#ifdef PYQKIT_VNNI
  const int TOGETHER = 2;
#else
  const int TOGETHER = 1;
#endif
  for (; blocks - block >= TOGETHER; block += TOGETHER)
    tiles<Dot, TOGETHER * LANES / VECTOR, STRIDE>(taps, pixels, weights + block * taps.panel_bytes,
                                                  start + block * LANES, out + block * LANES, out_stride);
  for (; block < blocks; ++block)
    tiles<Dot, LANES / VECTOR, STRIDE>(taps, pixels, weights + block * taps.panel_bytes,
                                       start + block * LANES, out + block * LANES, out_stride);
}

// Sums of `pixels` neighbours for all blocks of LANES outputs.
template <class Dot>
void row_of_tiles(const Taps &taps, int pixels, int blocks, const char *weights, const int32_t *start,
                  int32_t *out, int out_stride) {
  switch (taps.stride_bytes) {
    case 16:
      return blocks_of_tiles<Dot, 16>(taps, pixels, blocks, weights, start, out, out_stride);
    case 32:
      return blocks_of_tiles<Dot, 32>(taps, pixels, blocks, weights, start, out, out_stride);
    case 64:
      return blocks_of_tiles<Dot, 64>(taps, pixels, blocks, weights, start, out, out_stride);
    case 128:
      return blocks_of_tiles<Dot, 128>(taps, pixels, blocks, weights, start, out, out_stride);
    default:
      return blocks_of_tiles<Dot, 0>(taps, pixels, blocks, weights, start, out, out_stride);
  }
}

}  // namespace
