// Sums of scaled branches, as a residual addition needs them, in 32 bits: Python proves that every partial sum fits.
#pragma once
#include "requantise.hpp"

// What Python passes; emulate/terms.py has the same structure.
struct Term {
  const void *values;       // [pixel][channel]
  const int32_t *factor;    // [channel]
  const int32_t *integers;  // by code, if the values are codes
  int32_t type;             // of the values: 0 int8, 1 uint8, 2 int16, 3 int32
  int32_t codes;            // that have integers
};

// sums = sums * scale + term * factor of the pixels from `first` on; without `scale` what is in `sums` counts as zero.
void add_term(const Term &term, int64_t first, int pixels, int channels, int stride, const int32_t *scale,
              int32_t *sums);

// Whether `join_and_requantise` knows both types: it is for narrow ones.
inline bool joins_in_registers(const Term &term, const Affine &a) {
  return term.type < 3 && a.out_bytes < 4 && !term.integers;
}

// Sums of rows that are as long as vectors, the branch of the pixels from `first` on, to the output there.
void join_and_requantise(const int32_t *sums, int pixels, int channels, int stride, const int32_t *scale,
                         const Term &term, const Affine &a, void *out, int64_t first);
