// Integer convolutions, channels last. Every sum is exact: Python proves that partial sums fit 32 bits before it calls one of
// these. With AVX-512 VNNI the inner product is one instruction; elsewhere (or with PYQKIT_PORTABLE) the same loops are plain C++.
#pragma once
#include <vector>

#include "add.hpp"
#include "window.hpp"

namespace {

const int TILE = 12;  // pixels whose sums stay in registers

// Dot products of four u8 and four s8 (GROUP 4), or of two s16 and two s16 (GROUP 2), added to sums.
// STRIDE: bytes from pixel to pixel, so that they are constants of the loads; 0 if only `stride_bytes` says.
template <int GROUP, int COUNT, int STRIDE>
void tile(const char *const *rows, int stride_bytes, int kernel_h, int groups_a_row, const char *weights,
          int block_bytes, const int32_t *start, int32_t *out, int out_stride) {
  if (STRIDE) stride_bytes = STRIDE;
#ifdef PYQKIT_VNNI
  __m512i sums[COUNT];
  const __m512i first = _mm512_loadu_si512(start);
  for (int p = 0; p < COUNT; ++p) sums[p] = first;
  for (int ky = 0; ky < kernel_h; ++ky) {
    const char *row = rows[ky];
    for (int g = 0; g < groups_a_row; ++g) {
      const __m512i w = _mm512_loadu_si512(weights);
      weights += block_bytes;
      for (int p = 0; p < COUNT; ++p) {
        int32_t four;
        std::memcpy(&four, row + p * stride_bytes + 4 * g, 4);
        const __m512i x = _mm512_set1_epi32(four);
        sums[p] = GROUP == 4 ? _mm512_dpbusd_epi32(sums[p], x, w) : _mm512_dpwssd_epi32(sums[p], x, w);
      }
    }
  }
  for (int p = 0; p < COUNT; ++p) _mm512_storeu_si512(out + (int64_t)p * out_stride, sums[p]);
#else
  for (int p = 0; p < COUNT; ++p) {
    int32_t sums[LANES];
    std::memcpy(sums, start, sizeof sums);
    const char *w = weights;
    for (int ky = 0; ky < kernel_h; ++ky) {
      const char *row = rows[ky] + p * stride_bytes;
      for (int g = 0; g < groups_a_row; ++g, w += block_bytes) {
        for (int lane = 0; lane < LANES; ++lane) {
          if (GROUP == 4) {
            const uint8_t *x = (const uint8_t *)row + 4 * g;
            const int8_t *v = (const int8_t *)w + 4 * lane;
            sums[lane] += x[0] * v[0] + x[1] * v[1] + x[2] * v[2] + x[3] * v[3];
          } else {
            int16_t x[2], v[2];
            std::memcpy(x, row + 4 * g, 4);
            std::memcpy(v, w + 4 * lane, 4);
            sums[lane] += x[0] * v[0] + x[1] * v[1];
          }
        }
      }
    }
    std::memcpy(out + (int64_t)p * out_stride, sums, sizeof sums);
  }
#endif
}

template <int GROUP, int STRIDE>
void tiles(int pixels, const char *const *rows, int stride_bytes, const Window &w, int groups_a_row,
           const char *weights, const int32_t *start, int32_t *out, int out_stride) {
  const char *moved[64];
  for (int done = 0; done < pixels;) {
    for (int ky = 0; ky < w.kernel_h; ++ky) moved[ky] = rows[ky] + (int64_t)done * stride_bytes;
    int32_t *to = out + (int64_t)done * out_stride;
    const int left = pixels - done;
#define PYQKIT_TILE(N)                                                                                 \
  tile<GROUP, N, STRIDE>(moved, stride_bytes, w.kernel_h, groups_a_row, weights, LANES * 4, start, to, \
                         out_stride);                                                                  \
  done += N;
    if (left >= TILE) {
      PYQKIT_TILE(TILE)
    } else if (left >= 8) {
      PYQKIT_TILE(8)
    } else if (left >= 4) {
      PYQKIT_TILE(4)
    } else {
      PYQKIT_TILE(1)
    }
#undef PYQKIT_TILE
  }
}

// One image with its border, in the type that the inner product takes.
template <int GROUP>
void copy_padded(const void *image, const Window &w, int flip, int border, char *padded) {
  const int element = GROUP == 4 ? 1 : 2;
  const int row_bytes = (w.left + w.width + w.right) * w.channels * element;
  if (GROUP == 4) {
    std::memset(padded, border, (int64_t)(w.top + w.height + w.bottom) * row_bytes);
  } else {
    std::memset(
        padded, 0,
        (int64_t)(w.top + w.height + w.bottom) * row_bytes);  // the border of wide operands is always 0
  }
  for (int y = 0; y < w.height; ++y) {
    char *to = padded + (int64_t)(y + w.top) * row_bytes + w.left * w.channels * element;
    const char *from = (const char *)image + (int64_t)y * w.width * w.channels * element;
    const int bytes = w.width * w.channels * element;
    if (GROUP == 4 && flip)
      for (int i = 0; i < bytes; ++i) to[i] = from[i] ^ (char)0x80;
    else
      std::memcpy(to, from, bytes);
  }
}

template <int GROUP>
void convolve(const void *x, const Window &w, int flip, int border, const void *weights, const int32_t *start,
              int32_t *sums_out, const Term *joined, const int32_t *scale, const Requantiser *requantiser,
              void *out) {
  const int element = GROUP == 4 ? 1 : 2;
  const int row_bytes = (w.left + w.width + w.right) * w.channels * element;
  const int groups_a_row = (w.kernel_w * w.channels + GROUP - 1) / GROUP;
  const int blocks = (w.outputs + LANES - 1) / LANES, stride = blocks * LANES;
  const int stride_bytes = w.stride_w * w.channels * element;
  const auto row_of_tiles = stride_bytes == 16   ? tiles<GROUP, 16>
                            : stride_bytes == 32 ? tiles<GROUP, 32>
                            : stride_bytes == 64 ? tiles<GROUP, 64>
                                                 : tiles<GROUP, 0>;
  std::vector<char> padded((int64_t)(w.top + w.height + w.bottom) * row_bytes + 64);
  std::vector<int32_t> sums((int64_t)w.columns * stride);
  const char *rows[64];
  for (int frame = 0; frame < w.frames; ++frame) {
    copy_padded<GROUP>((const char *)x + (int64_t)frame * w.height * w.width * w.channels * element, w, flip,
                       border, padded.data());
    for (int row = 0; row < w.rows; ++row) {
      for (int ky = 0; ky < w.kernel_h; ++ky)
        rows[ky] = padded.data() + (int64_t)(row * w.stride_h + ky) * row_bytes;
      for (int block = 0; block < blocks; ++block) {
        const char *panel = (const char *)weights + (int64_t)block * w.kernel_h * groups_a_row * LANES * 4;
        row_of_tiles(w.columns, rows, stride_bytes, w, groups_a_row, panel, start + block * LANES,
                     sums.data() + block * LANES, stride);
      }
      const int64_t pixel = ((int64_t)frame * w.rows + row) * w.columns;
      if (joined) add_term(*joined, pixel, w.columns, w.outputs, stride, scale, sums.data());
      if (requantiser)
        requantise(sums.data(), w.columns, w.outputs, stride, *requantiser, out, pixel);
      else
        for (int p = 0; p < w.columns; ++p)
          std::memcpy(sums_out + (pixel + p) * w.outputs, sums.data() + (int64_t)p * stride, w.outputs * 4);
    }
  }
}

}  // namespace

extern "C" {

// group 4: x is int8 (flip 1) or uint8, weights s8; group 2: both s16. Exactly one of sums_out and out is given. With `joined`
// sums are multiplied by `scale` of their channel, and the other branch of a residual addition is added.
void pyqkit_convolve(const void *x, const int32_t *shape, int group, int flip, int border,
                     const void *weights, const int32_t *start, int32_t *sums_out, const Term *joined,
                     const int32_t *scale, const Requantiser *requantiser, void *out) {
  Window w;
  std::memcpy(&w, shape, sizeof w);
  if (group == 4)
    convolve<4>(x, w, flip, border, weights, start, sums_out, joined, scale, requantiser, out);
  else
    convolve<2>(x, w, flip, border, weights, start, sums_out, joined, scale, requantiser, out);
}

// Depthwise: x int16 with its border added by Python's caller, weights int32 [kernel][channels].
void pyqkit_depthwise(const int16_t *x, const int32_t *shape, const int32_t *weights, int32_t *out) {
  Window w;
  std::memcpy(&w, shape, sizeof w);
  const int height = w.top + w.height + w.bottom, width = w.left + w.width + w.right;
  std::vector<char> padded((int64_t)height * width * w.channels * 2 + 64);
  for (int frame = 0; frame < w.frames; ++frame) {
    copy_padded<2>((const char *)(x + (int64_t)frame * w.height * w.width * w.channels), w, 0, 0,
                   padded.data());
    const int16_t *image = (const int16_t *)padded.data();
    for (int row = 0; row < w.rows; ++row)
      for (int column = 0; column < w.columns; ++column) {
        int32_t *to = out + (((int64_t)frame * w.rows + row) * w.columns + column) * w.channels;
        std::memset(to, 0, w.channels * 4);
        for (int ky = 0; ky < w.kernel_h; ++ky)
          for (int kx = 0; kx < w.kernel_w; ++kx) {
            const int16_t *from =
                image + ((int64_t)(row * w.stride_h + ky) * width + column * w.stride_w + kx) * w.channels;
            const int32_t *v = weights + (ky * w.kernel_w + kx) * w.channels;
            for (int c = 0; c < w.channels; ++c) to[c] += from[c] * v[c];
          }
      }
  }
}
}
