// Sums of scaled branches, as a residual addition needs them, in 32 bits: Python proves that every partial sum fits.
#pragma once
#include <vector>

#include "requantise.hpp"

// What Python passes; emulate/terms.py has the same structure.
struct Term {
  const void *values;     // [pixel][channel]
  const int32_t *factor;  // [channel]
  int32_t type;           // of the values: 0 int8, 1 uint8, 2 int16, 3 int32
};

namespace {

#ifdef PYQKIT_VNNI
__m512i load(const int8_t *from, __mmask16 lanes) {
  return _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes, from));
}
__m512i load(const uint8_t *from, __mmask16 lanes) {
  return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, from));
}
__m512i load(const int16_t *from, __mmask16 lanes) {
  return _mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(lanes, from));
}
__m512i load(const int32_t *from, __mmask16 lanes) { return _mm512_maskz_loadu_epi32(lanes, from); }
#endif

// sums = sums * scale + x * factor; without `scale` what is in `sums` counts as zero.
template <class T>
void add_scaled(const T *x, const int32_t *factor, int pixels, int channels, int stride, const int32_t *scale,
                int32_t *sums) {
#ifdef PYQKIT_VNNI
  for (int first = 0; first < channels; first += LANES) {
    const __mmask16 lanes = lanes_from(first, channels);
    const __m512i f = _mm512_maskz_loadu_epi32(lanes, factor + first);
    const __m512i s = scale ? _mm512_maskz_loadu_epi32(lanes, scale + first) : _mm512_setzero_si512();
    for (int p = 0; p < pixels; ++p) {
      int32_t *to = sums + (int64_t)p * stride + first;
      const __m512i product = _mm512_mullo_epi32(load(x + (int64_t)p * channels + first, lanes), f);
      const __m512i before = scale ? _mm512_mullo_epi32(_mm512_maskz_loadu_epi32(lanes, to), s) : s;
      _mm512_mask_storeu_epi32(to, lanes, _mm512_add_epi32(before, product));
    }
  }
#else
  for (int p = 0; p < pixels; ++p)
    for (int c = 0; c < channels; ++c) {
      int32_t &to = sums[(int64_t)p * stride + c];
      to = (scale ? to * scale[c] : 0) + x[(int64_t)p * channels + c] * factor[c];
    }
#endif
}

// The pixels from `first` on.
void add_term(const Term &term, int64_t first, int pixels, int channels, int stride, const int32_t *scale,
              int32_t *sums) {
  const int64_t at = first * channels;
  if (term.type == 0)
    add_scaled((const int8_t *)term.values + at, term.factor, pixels, channels, stride, scale, sums);
  if (term.type == 1)
    add_scaled((const uint8_t *)term.values + at, term.factor, pixels, channels, stride, scale, sums);
  if (term.type == 2)
    add_scaled((const int16_t *)term.values + at, term.factor, pixels, channels, stride, scale, sums);
  if (term.type == 3)
    add_scaled((const int32_t *)term.values + at, term.factor, pixels, channels, stride, scale, sums);
}

}  // namespace

extern "C" {

// Residual addition and requantisation, row by row; sums fit 64 bits.
void pyqkit_add_wide(const int32_t *a, const int32_t *b, int pixels, int channels, const int64_t *left,
                     const int64_t *right, const Requantiser *requantiser, void *out) {
  const int ROWS = 16;
  std::vector<int64_t> sums((int64_t)ROWS * channels);
  for (int first = 0; first < pixels; first += ROWS) {
    const int n = pixels - first < ROWS ? pixels - first : ROWS;
    for (int p = 0; p < n; ++p) {
      const int32_t *x = a + ((int64_t)first + p) * channels, *y = b + ((int64_t)first + p) * channels;
      for (int c = 0; c < channels; ++c) sums[p * channels + c] = x[c] * left[c] + y[c] * right[c];
    }
    requantise(sums.data(), n, channels, channels, *requantiser, out, first);
  }
}

// Sum of scaled branches, requantised; sums fit 32 bits.
void pyqkit_add(const Term *terms, int count, int pixels, int channels, const int32_t *ones,
                const Requantiser *requantiser, void *out) {
  const int ROWS = 16;
  std::vector<int32_t> sums((int64_t)ROWS * channels);
  for (int first = 0; first < pixels; first += ROWS) {
    const int n = pixels - first < ROWS ? pixels - first : ROWS;
    for (int i = 0; i < count; ++i)
      add_term(terms[i], first, n, channels, channels, i ? ones : nullptr, sums.data());
    requantise(sums.data(), n, channels, channels, *requantiser, out, first);
  }
}
}
