// Inner products of a window, of bytes or of words, for some pixels and some vectors of outputs whose sums stay in registers.
// Every sum is exact: Python proves that partial sums fit 32 bits before it calls one of these.
#pragma once
#include <cstdint>

#include "lanes.hpp"

// What all tiles of a row of pixels share.
struct Taps {
  const char *const *rows;  // of the window, at the first pixel
  int kernel_h, groups;     // of a row of the window
  int stride_bytes;         // from pixel to pixel
  int64_t panel_bytes;      // weights of LANES outputs
  // Of bytes with AVX2:
  const int32_t *places = nullptr;  // of a step in the image, from rows[0] on
  const int32_t *ends = nullptr;    // of the steps of a block
  int together = 0;                 // steps whose sums fit 16 bits
};

// Sums of `pixels` neighbours for all blocks of LANES outputs.
typedef void RowOfTiles(const Taps &taps, int pixels, int blocks, const char *weights, const int32_t *start,
                        int32_t *out, int out_stride);

// Four unsigned bytes times four signed ones; with AVX2 as steps.
RowOfTiles row_of_bytes;
// Two signed words times two.
RowOfTiles row_of_words;

namespace {

const int SPAN = 64;  // pixels whose sums stay in the cache

}  // namespace
