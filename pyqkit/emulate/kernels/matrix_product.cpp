// Products of two streams as matrices (pyqkit/graph/ops/matrix_product.py), in float32 or float64 that stand for integers:
// Python proves that every partial sum is exact.
#include <cstring>
#include <vector>

#include "carriers.hpp"
#include "requantise.hpp"

// What Python passes; pyqkit/emulate/operators/matrix_product.py has the same structure.
struct Heads {
  const double *numbers;  // by code of the left stream, the one that is not 0 of those that stand for it,
  const int32_t *places;  // and which it is; null where all of them are given
  int32_t left_pixels, right_pixels, groups;
  int32_t terms, results;  // of a group: products of a sum, sums of a pixel
  int32_t copies,
      across;  // numbers that stand for each factor; whether sums run over pixels of the right stream
};

namespace {

template <class Real> struct Block {
  typedef Real Vector __attribute__((vector_size(64)));  // g++ splits it where registers are shorter
  static const int WIDTH = 64 / sizeof(Real);
};

// As `as_typed`, and 4 for double.
template <class Act> void as_factors(const void *values, int type, Act act) {
  if (type == 4)
    act((const double *)values);
  else
    as_typed(values, type, act);
}

template <class Real> void factors_of(const void *values, int type, int64_t first, int64_t count, Real *to) {
  as_factors(values, type, [&](auto *x) {
    for (int64_t i = 0; i < count; ++i) to[i] = (Real)x[first + i];
  });
}

template <class Real>
void singles_of(const void *codes, int type, int64_t first, int64_t count, const Heads &h, Real *to,
                int32_t *places) {
  as_typed(codes, type, [&](auto *x) {
    for (int64_t i = 0; i < count; ++i) {
      to[i] = (Real)h.numbers[x[first + i]];
      places[i] = h.places[x[first + i]];
    }
  });
}

// [term][result] of a group, results padded to whole vectors.
template <class Real> void pack_right(const Real *x, const Heads &h, int group, int padded, Real *panel) {
  const int channels = (h.across ? h.results : h.terms / h.copies) * h.copies * h.groups;  // of a pixel
  if (h.across)
    for (int k = 0; k < h.terms; ++k) {
      const Real *from = x + (int64_t)(k / h.copies) * channels + group * h.results * h.copies + k % h.copies;
      for (int n = 0; n < h.results; ++n) panel[(int64_t)k * padded + n] = from[n * h.copies];
    }
  else
    for (int n = 0; n < h.results; ++n) {
      const Real *from = x + (int64_t)n * channels + group * h.terms;
      for (int k = 0; k < h.terms; ++k) panel[(int64_t)k * padded + n] = from[k];
    }
}

template <class Real, int ROWS, int VECTORS, class Sum>
void multiply_tile(const Real *left, int left_stride, int terms, const Real *panel, int padded, Sum *sums,
                   int stride) {
  typedef typename Block<Real>::Vector Vector;
  const int WIDTH = Block<Real>::WIDTH;
  typedef Sum Integers __attribute__((vector_size(sizeof(Sum) * WIDTH)));
  Vector found[ROWS][VECTORS];
  // Unrolled and copied one by one, they stay in registers.
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) found[r][v] = Vector{};
  for (int k = 0; k < terms; ++k) {
    Vector right[VECTORS];
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v)
      std::memcpy(&right[v], panel + (int64_t)k * padded + v * WIDTH, sizeof(Vector));
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < VECTORS; ++v) found[r][v] += left[(int64_t)r * left_stride + k] * right[v];
  }
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) {
      const Integers whole = __builtin_convertvector(found[r][v], Integers);
      std::memcpy(sums + (int64_t)r * stride + v * WIDTH, &whole, sizeof whole);
    }
}

template <class Real, int VECTORS, class Sum>
void multiply_columns(const Real *left, int left_stride, int pixels, int terms, const Real *panel, int padded,
                      Sum *sums, int stride) {
  const int ROWS = 16 / VECTORS;
  int row = 0;
  for (; row + ROWS <= pixels; row += ROWS)
    multiply_tile<Real, ROWS, VECTORS>(left + (int64_t)row * left_stride, left_stride, terms, panel, padded,
                                       sums + (int64_t)row * stride, stride);
  for (; row < pixels; ++row)
    multiply_tile<Real, 1, VECTORS>(left + (int64_t)row * left_stride, left_stride, terms, panel, padded,
                                    sums + (int64_t)row * stride, stride);
}

// Rows of the panel that stand for what is not 0: of `copies` of each term one.
template <class Real, int VECTORS, class Sum>
void multiply_singles(const Real *left, const int32_t *places, int terms, int copies, const Real *panel,
                      int padded, Sum *sums) {
  typedef typename Block<Real>::Vector Vector;
  const int WIDTH = Block<Real>::WIDTH;
  typedef Sum Integers __attribute__((vector_size(sizeof(Sum) * WIDTH)));
  Vector found[VECTORS] = {};
  for (int k = 0; k < terms; ++k)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) {
      Vector right;
      std::memcpy(&right, panel + ((int64_t)k * copies + places[k]) * padded + v * WIDTH, sizeof right);
      found[v] += left[k] * right;
    }
#pragma GCC unroll 4
  for (int v = 0; v < VECTORS; ++v) {
    const Integers whole = __builtin_convertvector(found[v], Integers);
    std::memcpy(sums + v * WIDTH, &whole, sizeof whole);
  }
}

// All results of one pixel.
template <class Real, class Sum>
void multiply_pixel(const Real *left, const int32_t *places, const Heads &h, const Real *panel, int padded,
                    Sum *sums) {
  const int FEW = 4 * Block<Real>::WIDTH, terms = h.terms / h.copies;
  int first = 0;
  for (; first + FEW <= padded; first += FEW)
    multiply_singles<Real, 4>(left, places, terms, h.copies, panel + first, padded, sums + first);
  for (; first < padded; first += Block<Real>::WIDTH)
    multiply_singles<Real, 1>(left, places, terms, h.copies, panel + first, padded, sums + first);
}

template <class Real, class Sum>
void multiply(const void *left, int left_type, const void *right, int right_type, int frames, const Heads &h,
              Sum *sums_out, const Requantiser *requantiser, void *out) {
  const int WIDTH = Block<Real>::WIDTH, padded = (h.results + WIDTH - 1) / WIDTH * WIDTH;
  const int channels = h.groups * h.results, stride = channels + WIDTH;
  const int terms = h.numbers ? h.terms / h.copies : h.terms;  // of a group of the left stream
  const int64_t left_size = (int64_t)h.left_pixels * h.groups * terms;
  const int64_t right_size =
      (int64_t)h.right_pixels * h.groups * (h.across ? (int64_t)h.results * h.copies : (int64_t)h.terms);
  std::vector<Real> rows(left_size), factors(right_size), panel((int64_t)h.terms * padded);
  std::vector<int32_t> places(h.numbers ? left_size : 0);
  std::vector<Sum> sums((int64_t)h.left_pixels *
                        stride);  // what a group writes too much the next one overwrites
  for (int frame = 0; frame < frames; ++frame) {
    if (h.numbers)
      singles_of(left, left_type, frame * left_size, left_size, h, rows.data(), places.data());
    else
      factors_of(left, left_type, frame * left_size, left_size, rows.data());
    factors_of(right, right_type, frame * right_size, right_size, factors.data());
    for (int group = 0; group < h.groups; ++group) {
      pack_right(factors.data(), h, group, padded, panel.data());
      const Real *from = rows.data() + (int64_t)group * terms;
      Sum *to = sums.data() + (int64_t)group * h.results;
      if (h.numbers) {
        for (int64_t p = 0; p < h.left_pixels; ++p)
          multiply_pixel(from + p * h.groups * terms, places.data() + (p * h.groups + group) * terms, h,
                         panel.data(), padded, to + p * stride);
        continue;
      }
      int first = 0;
      for (; first + 2 * WIDTH <= padded; first += 2 * WIDTH)
        multiply_columns<Real, 2>(from, h.groups * h.terms, h.left_pixels, h.terms, panel.data() + first,
                                  padded, to + first, stride);
      if (first < padded)
        multiply_columns<Real, 1>(from, h.groups * h.terms, h.left_pixels, h.terms, panel.data() + first,
                                  padded, to + first, stride);
    }
    const int64_t pixel = (int64_t)frame * h.left_pixels;
    if (requantiser)
      requantise(sums.data(), h.left_pixels, channels, stride, *requantiser, out, pixel);
    else
      for (int p = 0; p < h.left_pixels; ++p)
        std::memcpy(sums_out + (pixel + p) * channels, sums.data() + (int64_t)p * stride,
                    sizeof(Sum) * channels);
  }
}

}  // namespace

extern "C" {

// In float32, sums of 32 bits; or in float64, sums of 64 bits, of 32 where the requantiser reads those. One of `sums` and `out` is
// given.
void pyqkit_matrix_product(const void *left, int left_type, const void *right, int right_type, int frames,
                           const Heads *heads, int is_float, int is_wide, void *sums,
                           const Requantiser *requantiser, void *out) {
  if (is_float)
    multiply<float>(left, left_type, right, right_type, frames, *heads, (int32_t *)sums, requantiser, out);
  else if (is_wide)
    multiply<double>(left, left_type, right, right_type, frames, *heads, (int64_t *)sums, requantiser, out);
  else
    multiply<double>(left, left_type, right, right_type, frames, *heads, (int32_t *)sums, requantiser, out);
}
}
