// Rows of sums requantised by arithmetic; see affine.hpp.
#pragma once
#include "affine.hpp"
#include "vector.hpp"

namespace {

// Floats of a sum's lanes and what rounds them.
struct Single {
  typedef float Element;
  typedef Floats Vector;
  typedef Ints Words;
  static const int FRACTION = 23;
  static const int32_t EXPONENT = 0x7f800000;
};
struct Double {
  typedef double Element;
  typedef Doubles Vector;
  typedef Longs Words;
  static const int FRACTION = 52;
  static const int64_t EXPONENT = 0x7ff0000000000000;
};

template <class Kind, bool SIGNIFICANT> struct Rounding {
  typedef typename Kind::Vector Vector;
  typedef typename Kind::Element Element;
  Element low, high, least, factor;

  explicit Rounding(const Affine &a) : low(a.low), high(a.high) {
    // added and taken away again, it leaves steps of one, or of a number's last significant bit
    const Element one = (Element)3 * (Element)((int64_t)1 << (Kind::FRACTION - 1));
    least = SIGNIFICANT ? (Element)((int64_t)1 << (a.significant - 1)) : 0;
    factor = SIGNIFICANT ? one / least : one;
  }

  inline Vector operator()(Vector y) const {
    const Vector none = {};
    y = lesser(greater(y, none + low), none + high);
    Vector added = none + factor;
    if (SIGNIFICANT) {
      const Vector power = (Vector)((typename Kind::Words)y & Kind::EXPONENT);
      added = greater(power, none + least) * factor;
    }
    return (y + added) - added;
  }
};

// Rows of sums, `stride` from pixel to pixel.
struct Alone {
  static const bool WIDE = true;  // outputs of 32 bits too
  const int32_t *sums;
  int stride;

  Alone from(int first, int) const { return {sums + first, stride}; }
  inline Ints operator()(int pixel, int count) const {
    return widened(sums + (int64_t)pixel * stride, count);
  }
};

template <class Kind, bool SIGNIFICANT> struct Requantised;

template <bool SIGNIFICANT> struct Requantised<Single, SIGNIFICANT> {
  Rounding<Single, SIGNIFICANT> rounding;
  Floats slope, intercept;

  Requantised(const Affine &a, int first)
      : rounding(a),
        slope(loaded<Floats>((const float *)a.slope + first)),
        intercept(loaded<Floats>((const float *)a.intercept + first)) {}
  inline Ints operator()(Ints sums) const {
    const Floats y = fused(__builtin_convertvector(sums, Floats), slope, intercept);
    return __builtin_convertvector(rounding(y), Ints);
  }
};

template <bool SIGNIFICANT> struct Requantised<Double, SIGNIFICANT> {
  Rounding<Double, SIGNIFICANT> rounding;
  Doubles slope[2], intercept[2];

  Requantised(const Affine &a, int first) : rounding(a) {
    for (int i = 0; i < 2; ++i) {
      slope[i] = loaded<Doubles>((const double *)a.slope + first + i * HALF);
      intercept[i] = loaded<Doubles>((const double *)a.intercept + first + i * HALF);
    }
  }
  inline HalfInts half_of(Doubles sums, int i) const {
    return __builtin_convertvector(rounding(fused(sums, slope[i], intercept[i])), HalfInts);
  }
  inline Ints operator()(Ints sums) const {
    return whole(half_of(doubles(half(sums, 0)), 0), half_of(doubles(half(sums, 1)), 1));
  }
};

template <class Kind, bool SIGNIFICANT, class Sums, class Out>
void affine_row(const Sums &sums, int pixels, int channels, const Affine &a, Out *out) {
  for (int first = 0; first < channels; first += VECTOR) {
    const Requantised<Kind, SIGNIFICANT> requantised(a, first);
    const auto lanes = sums.from(first, channels - first);
    Out *to = out + first;
    if (channels - first >= VECTOR)
      for (int p = 0; p < pixels; ++p)
        stored(to + (int64_t)p * channels, VECTOR, requantised(lanes(p, VECTOR)));
    else
      for (int p = 0; p < pixels; ++p)
        stored(to + (int64_t)p * channels, channels - first, requantised(lanes(p, channels - first)));
  }
}

template <class Kind, bool SIGNIFICANT, class Sums>
void affine_as(const Sums &sums, int pixels, int channels, const Affine &a, void *out, int64_t first) {
  if (a.out_bytes == 1)
    affine_row<Kind, SIGNIFICANT>(sums, pixels, channels, a, (uint8_t *)out + first * channels);
  if (a.out_bytes == 2)
    affine_row<Kind, SIGNIFICANT>(sums, pixels, channels, a, (int16_t *)out + first * channels);
  if constexpr (Sums::WIDE)
    if (a.out_bytes == 4)
      affine_row<Kind, SIGNIFICANT>(sums, pixels, channels, a, (int32_t *)out + first * channels);
}

// Rows of sums of 32 bits, to the output that begins at pixel `first`.
template <class Sums>
void affine(const Sums &sums, int pixels, int channels, const Affine &a, void *out, int64_t first) {
  if (a.bits == 32 && a.significant) affine_as<Single, true>(sums, pixels, channels, a, out, first);
  if (a.bits == 32 && !a.significant) affine_as<Single, false>(sums, pixels, channels, a, out, first);
  if (a.bits == 64 && a.significant) affine_as<Double, true>(sums, pixels, channels, a, out, first);
  if (a.bits == 64 && !a.significant) affine_as<Double, false>(sums, pixels, channels, a, out, first);
}

template <bool SIGNIFICANT, class Out>
void affine_long_row(const int64_t *sums, int pixels, int channels, int stride, const Affine &a, Out *out) {
  for (int first = 0; first < channels; first += VECTOR) {
    const Requantised<Double, SIGNIFICANT> requantised(a, first);
    const int count = channels - first < VECTOR ? channels - first : VECTOR;
    for (int p = 0; p < pixels; ++p) {
      const int64_t *from = sums + (int64_t)p * stride + first;
      int64_t some[VECTOR] = {};
      if (count < VECTOR) from = (const int64_t *)std::memcpy(some, from, 8 * count);
      HalfInts parts[2];
      for (int i = 0; i < 2; ++i)
        parts[i] = requantised.half_of(__builtin_convertvector(loaded<Longs>(from + i * HALF), Doubles), i);
      stored(out + (int64_t)p * channels + first, count, whole(parts[0], parts[1]));
    }
  }
}

// The same of 64 bits.
template <bool SIGNIFICANT>
void affine_long(const int64_t *sums, int pixels, int channels, int stride, const Affine &a, void *out,
                 int64_t first) {
  const int64_t at = first * channels;
  if (a.out_bytes == 1) affine_long_row<SIGNIFICANT>(sums, pixels, channels, stride, a, (uint8_t *)out + at);
  if (a.out_bytes == 2) affine_long_row<SIGNIFICANT>(sums, pixels, channels, stride, a, (int16_t *)out + at);
  if (a.out_bytes == 4) affine_long_row<SIGNIFICANT>(sums, pixels, channels, stride, a, (int32_t *)out + at);
}

}  // namespace
