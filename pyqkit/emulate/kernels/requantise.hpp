// Requantisation of engine `exact`: rows of sums, channels last, to the integers of codes. The rules are those of
// pyqkit/graph/ops/requantise.py.
#pragma once
#include "affine.hpp"

// What Python passes; emulate/requantiser.py has the same structure.
struct Requantiser {
  // thresholds, of the type of the sums: [threshold][channel], and [channel][threshold] padded for binary search, one row where
  // all channels have the same
  const void *by_index, *by_channel;
  const int32_t *falling;           // [channel]
  const void *integers;             // [steps passed], 64 bits if the output's have them, else 32
  const void *multiplier, *offset;  // [channel], a rescale if not null: 64 bits if `wide`, else 32
  int32_t count, same, wide, shift, relu, low, high;
  int32_t out_bytes;
  const Affine *affine;  // the same by arithmetic, if not null
};

// `pixels` rows of sums, `stride` apart, to the output that begins at pixel `first`.
void requantise(const int32_t *sums, int pixels, int channels, int stride, const Requantiser &r, void *out,
                int64_t first);
void requantise(const int64_t *sums, int pixels, int channels, int stride, const Requantiser &r, void *out,
                int64_t first);
