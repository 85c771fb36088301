// Rows of tiles; see tile.hpp.
#pragma once
#include "tile.hpp"
#include "vector.hpp"

namespace {

inline int32_t word_at(const char *from) { return loaded<int32_t>(from); }

// STRIDE: bytes from pixel to pixel, so that they are constants of the loads; 0 if only `taps` says.
// Loops that hold sums in registers are unrolled, which -O2 does not do by itself.
template <class Dot, int VECTORS, int PIXELS, int STRIDE>
void tile(const Taps &taps, int64_t moved, const char *weights, const int32_t *start, int32_t *out,
          int out_stride) {
  const int stride_bytes = STRIDE ? STRIDE : taps.stride_bytes;
  Ints sums[PIXELS][VECTORS];
#pragma GCC unroll 16
  for (int p = 0; p < PIXELS; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) sums[p][v] = loaded<Ints>(start + v * VECTOR);
  for (int ky = 0; ky < taps.kernel_h; ++ky) {
    const char *row = taps.rows[ky] + moved;
    for (int g = 0; g < taps.groups; ++g, row += 4, weights += 4 * LANES) {
      typename Dot::Weights w[VECTORS];
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v)
        w[v] = Dot::weights(weights + v * VECTOR / LANES * taps.panel_bytes + v * VECTOR % LANES * 4);
#pragma GCC unroll 16
      for (int p = 0; p < PIXELS; ++p) {
        const typename Dot::Few x = Dot::few(row + p * stride_bytes);
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) sums[p][v] = Dot::added(sums[p][v], x, w[v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int p = 0; p < PIXELS; ++p)
#pragma GCC unroll 4
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
  for (; pixels - done >= 4; done += 4)  // few: the stride need not be a constant
    tile<Dot, VECTORS, 4, 0>(taps, (int64_t)done * stride_bytes, weights, start,
                             out + (int64_t)done * out_stride, out_stride);
  for (; done < pixels; ++done)
    tile<Dot, VECTORS, 1, 0>(taps, (int64_t)done * stride_bytes, weights, start,
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

template <class Dot>
void rows_of_tiles(const Taps &taps, int pixels, int blocks, const char *weights, const int32_t *start,
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
    case 256:
      return blocks_of_tiles<Dot, 256>(taps, pixels, blocks, weights, start, out, out_stride);
    default:
      return blocks_of_tiles<Dot, 0>(taps, pixels, blocks, weights, start, out, out_stride);
  }
}

}  // namespace
