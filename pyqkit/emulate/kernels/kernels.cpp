// Kernels of engine `exact`: integer convolution, requantisation and residual addition, channels last; and the
// rounding of floats to the values of a format.
#include "convolve.hpp"
#include "round.hpp"
#include "wide.hpp"

extern "C" {

void pyqkit_requantise32(const int32_t *sums, int pixels, int channels, const Requantiser *requantiser,
                         void *out) {
  requantise(sums, pixels, channels, channels, *requantiser, out, 0);
}

void pyqkit_requantise64(const int64_t *sums, int pixels, int channels, const Requantiser *requantiser,
                         void *out) {
  requantise(sums, pixels, channels, channels, *requantiser, out, 0);
}

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

// Value of a format for each float; see `pyqkit.formats.search.Starts`.
void pyqkit_round(const float *x, int64_t count, float scale, const int32_t *reached, const float *limits,
                  int steps, const float *values, float *out) {
  round_to(x, count, scale, reached, limits, steps, values, out);
}

// The same of minifloats, by arithmetic.
void pyqkit_round_floating(const float *x, int64_t count, float scale, float low, float high, float least,
                           float steps, float *out) {
  round_floating(x, count, scale, low, high, least, steps, out);
}

// The same of a format whose values are as far apart everywhere; see `pyqkit.formats.search.line`.
void pyqkit_round_evenly(const float *x, int64_t count, float scale, float factor, float first, float last,
                         const float *values, float *out) {
  round_evenly(x, count, scale, factor, first, last, values, out);
}
}
