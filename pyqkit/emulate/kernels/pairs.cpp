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

// A step: four weights of each lane by four activations of a pixel.
struct Step {
  const char *activations;
  __m256i weights[VECTORS];

  Step(const Taps &taps, const char *image, const char *all, int step)
      : activations(image + taps.places[step]) {
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) weights[v] = held(all + ((int64_t)step * LANES + v * VECTOR) * 4);
  }
  inline __m256i products(int64_t pixel, int v) const {
    return _mm256_maddubs_epi16(four_at(activations + pixel), weights[v]);
  }
};

// How many steps have sums that fit 16 bits: as Python says, two by two, none.
enum Together { MANY = 0, ONE = 1, TWO = 2 };

// Of one block. Loops that hold sums in registers are unrolled; with its variables coalesced, g++ 12 moves each sum in every
// step.
template <Together TOGETHER, int PIXELS>
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
  if (TOGETHER == MANY) {
    for (int step = first; step < last;) {
      __m256i pairs[PIXELS][VECTORS] = {};
      const int end = last - step < taps.together ? last : step + taps.together;
      do {
        const Step next(taps, image, weights, step);
#pragma GCC unroll 4
        for (int p = 0; p < PIXELS; ++p)
#pragma GCC unroll 2
          for (int v = 0; v < VECTORS; ++v)
            pairs[p][v] = _mm256_add_epi16(pairs[p][v], next.products(p * stride, v));
      } while (++step < end);
#pragma GCC unroll 4
      for (int p = 0; p < PIXELS; ++p)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; ++v) sums[p][v] += widened(pairs[p][v]);
    }
  } else {
    for (int step = first; step < last; step += TOGETHER) {
      const Step one(taps, image, weights, step), other(taps, image, weights, step + TOGETHER - 1);
#pragma GCC unroll 4
      for (int p = 0; p < PIXELS; ++p)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; ++v) {
          const __m256i products = one.products(p * stride, v);
          sums[p][v] +=
              widened(TOGETHER == TWO ? _mm256_add_epi16(products, other.products(p * stride, v)) : products);
        }
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < PIXELS; ++p)
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) stored(out + (int64_t)p * out_stride + v * VECTOR, VECTOR, sums[p][v]);
}

template <Together TOGETHER>
void rows(const Taps &taps, int pixels, int blocks, const char *weights, const int32_t *start, int32_t *out,
          int out_stride) {
  const int MOST = 4;  // pixels, whose sums fill half of the registers
  for (int block = 0, first = 0; block < blocks; first = taps.ends[block++]) {
    const int last = taps.ends[block];
    int32_t *to = out + block * LANES;
    const char *image = taps.rows[0];
    int done = 0;
    for (; pixels - done >= MOST; done += MOST, image += MOST * (int64_t)taps.stride_bytes)
      tile<TOGETHER, MOST>(taps, image, first, last, weights, start + block * LANES,
                           to + (int64_t)done * out_stride, out_stride);
    for (; done < pixels; ++done, image += taps.stride_bytes)
      tile<TOGETHER, 1>(taps, image, first, last, weights, start + block * LANES,
                        to + (int64_t)done * out_stride, out_stride);
  }
}

}  // namespace

void row_of_bytes(const Taps &taps, int pixels, int blocks, const char *weights, const int32_t *start,
                  int32_t *out, int out_stride) {
  if (taps.together > 2)
    rows<MANY>(taps, pixels, blocks, weights, start, out, out_stride);
  else if (taps.together == 2)
    rows<TWO>(taps, pixels, blocks, weights, start, out, out_stride);
  else
    rows<ONE>(taps, pixels, blocks, weights, start, out, out_stride);
}
#endif
