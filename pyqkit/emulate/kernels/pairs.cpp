// Tiles of bytes with AVX2, which multiplies unsigned by signed bytes and adds products of two neighbours in 16 bits. Python
// splits weights into steps whose pairs fit those, and says how many steps their sums fit too (pyqkit/emulate/pairs.py).
#include "tile.hpp"
#include "vector.hpp"

extern "C" {

// Whether bytes are multiplied so.
int pyqkit_adds_pairs() {
#ifdef PYQKIT_AVX2
  return 1;
#else
  return 0;
#endif
}
}

#ifdef PYQKIT_AVX2
namespace {

const int VECTORS = LANES / VECTOR;

inline __m256i four_at(const char *from) { return _mm256_set1_epi32(loaded<int32_t>(from)); }

inline Ints widened(__m256i pairs) { return (Ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }

// Of one block; LONG: sums of several steps fit 16 bits. Loops that hold sums in registers are unrolled; with its variables
// coalesced, g++ 12 moves each sum in every step.
template <bool LONG, int PIXELS>
__attribute__((optimize("no-tree-coalesce-vars"))) void tile(const Taps &taps, const char *image, int first,
                                                             int last, const char *weights,
                                                             const int32_t *start, int32_t *out,
                                                             int out_stride) {
  const int64_t stride = taps.stride_bytes;
  Ints sums[PIXELS][VECTORS];
#pragma GCC unroll 4
  for (int p = 0; p < PIXELS; ++p)
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) sums[p][v] = loaded<Ints>(start + v * VECTOR);
  const int together = LONG ? taps.together : 1;
  for (int step = first; step < last;) {
    __m256i pairs[PIXELS][VECTORS] = {};
    const int end = last - step < together ? last : step + together;
    do {
      const char *x = image + taps.places[step];
      const __m256i *w = (const __m256i *)(weights + (int64_t)step * LANES * 4);
#pragma GCC unroll 4
      for (int p = 0; p < PIXELS; ++p)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; ++v) {
          const __m256i products = _mm256_maddubs_epi16(four_at(x + p * stride), _mm256_loadu_si256(w + v));
          if (LONG)
            pairs[p][v] = _mm256_add_epi16(pairs[p][v], products);
          else
            sums[p][v] += widened(products);
        }
    } while (++step < end);
    if (LONG)
#pragma GCC unroll 4
      for (int p = 0; p < PIXELS; ++p)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; ++v) sums[p][v] += widened(pairs[p][v]);
  }
#pragma GCC unroll 4
  for (int p = 0; p < PIXELS; ++p)
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) stored(out + (int64_t)p * out_stride + v * VECTOR, VECTOR, sums[p][v]);
}

template <bool LONG>
void rows(const Taps &taps, int pixels, int blocks, const char *weights, const int32_t *start, int32_t *out,
          int out_stride) {
  const int MOST = 4;  // pixels, whose sums fill half of the registers
  for (int block = 0, first = 0; block < blocks; first = taps.ends[block++]) {
    const int last = taps.ends[block];
    int32_t *to = out + block * LANES;
    const char *image = taps.rows[0];
    int done = 0;
    for (; pixels - done >= MOST; done += MOST, image += MOST * (int64_t)taps.stride_bytes)
      tile<LONG, MOST>(taps, image, first, last, weights, start + block * LANES,
                       to + (int64_t)done * out_stride, out_stride);
    for (; done < pixels; ++done, image += taps.stride_bytes)
      tile<LONG, 1>(taps, image, first, last, weights, start + block * LANES, to + (int64_t)done * out_stride,
                    out_stride);
  }
}

}  // namespace

void row_of_bytes(const Taps &taps, int pixels, int blocks, const char *weights, const int32_t *start,
                  int32_t *out, int out_stride) {
  if (taps.together > 1)
    rows<true>(taps, pixels, blocks, weights, start, out, out_stride);
  else
    rows<false>(taps, pixels, blocks, weights, start, out, out_stride);
}
#endif
