// Branches added and requantised.
#include "add.hpp"

#include <vector>

#include "affine_rows.hpp"
#include "codes.hpp"

namespace {

// Elements as they are, and codes as their integers.
template <class T> struct Values {
  const T *x;
  inline Ints operator()(int64_t at, int count) const { return widened(x + at, count); }
};
struct Codes {
  const uint8_t *x;
  const int32_t *integers;
  bool few;
  inline Ints operator()(int64_t at, int count) const { return integers_of(x + at, count, integers, few); }
};

// sums = sums * scale + x * factor; without `scale` what is in `sums` counts as zero.
template <class X>
void add_scaled(const X &x, const int32_t *factor, int pixels, int channels, int stride, const int32_t *scale,
                int32_t *sums) {
  for (int first = 0; first < channels; first += VECTOR) {
    const int count = channels - first < VECTOR ? channels - first : VECTOR;
    const Ints f = widened(factor + first, count), none = {};
    const Ints s = scale ? widened(scale + first, count) : none;
    for (int p = 0; p < pixels; ++p) {
      int32_t *to = sums + (int64_t)p * stride + first;
      const Ints product = x((int64_t)p * channels + first, count) * f;
      stored(to, count, scale ? widened(to, count) * s + product : product);
    }
  }
}

// Rows of sums times `scale`, and of another branch times its factor. The branch's type is asked for at every vector: a loop of its
// own for each would take the compiler half a second, and a network no less.
struct Joined {
  static const bool WIDE = false;
  const int32_t *sums;
  int stride, channels;
  const char *x;
  int type, bytes;  // of the branch: as others, and of one element
  const int32_t *scales, *factors;
  Ints scale, factor;

  Joined from(int first, int count) const {
    const int n = count < VECTOR ? count : VECTOR;
    return {sums + first,
            stride,
            channels,
            x + first * bytes,
            type,
            bytes,
            scales + first,
            factors + first,
            widened(scales + first, n),
            widened(factors + first, n)};
  }
  inline Ints branch(int64_t at, int count) const {
    if (type == 0) return widened((const int8_t *)x + at, count);
    if (type == 1) return widened((const uint8_t *)x + at, count);
    return widened((const int16_t *)x + at, count);
  }
  inline Ints operator()(int pixel, int count) const {
    return loaded<Ints>(sums + (int64_t)pixel * stride) * scale +
           branch((int64_t)pixel * channels, count) * factor;
  }
};

}  // namespace

void join_and_requantise(const int32_t *sums, int pixels, int channels, int stride, const int32_t *scale,
                         const Term &term, const Affine &a, void *out, int64_t first) {
  const int bytes = term.type == 2 ? 2 : 1;
  const char *x = (const char *)term.values + first * channels * bytes;
  affine(Joined{sums, stride, channels, x, term.type, bytes, scale, term.factor, {}, {}}, pixels, channels, a,
         out, first);
}

void add_term(const Term &term, int64_t first, int pixels, int channels, int stride, const int32_t *scale,
              int32_t *sums) {
  const int64_t at = first * channels;
  const auto add = [&](const auto &x) { add_scaled(x, term.factor, pixels, channels, stride, scale, sums); };
  if (term.integers) return add(Codes{(const uint8_t *)term.values + at, term.integers, term.codes <= FEW});
  if (term.type == 0) add(Values<int8_t>{(const int8_t *)term.values + at});
  if (term.type == 1) add(Values<uint8_t>{(const uint8_t *)term.values + at});
  if (term.type == 2) add(Values<int16_t>{(const int16_t *)term.values + at});
  if (term.type == 3) add(Values<int32_t>{(const int32_t *)term.values + at});
}

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
