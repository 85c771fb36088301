// Requantisation of rows of sums, by arithmetic, by thresholds or by a rescale.
#include "requantise.hpp"

#include <type_traits>

#include "affine_rows.hpp"

namespace {

#ifdef PYQKIT_VNNI
const __mmask16 ALL = 0xffff;  // stores under a mask take several times as long as others

__mmask16 lanes_from(int first, int channels) {
  return channels - first >= LANES ? ALL : (1 << (channels - first)) - 1;
}

void store(uint8_t *to, __mmask16 lanes, __m512i x) {
  if (lanes == ALL)
    _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8(x));
  else
    _mm512_mask_cvtepi32_storeu_epi8(to, lanes, x);
}
void store(int16_t *to, __mmask16 lanes, __m512i x) {
  if (lanes == ALL)
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(x));
  else
    _mm512_mask_cvtepi32_storeu_epi16(to, lanes, x);
}
void store(int32_t *to, __mmask16 lanes, __m512i x) { _mm512_mask_storeu_epi32(to, lanes, x); }

// Up to 31 thresholds, sixteen channels at a time: one comparison each, then the integer from a table in two registers.
template <class Out>
void few_thresholds(const int32_t *sums, int pixels, int channels, int stride, const int32_t *by_index,
                    int count, const int32_t *falling, const int32_t *integers, Out *out) {
  const __m512i one = _mm512_set1_epi32(1), all = _mm512_set1_epi32(count);
  const __m512i low = _mm512_maskz_loadu_epi32(count >= 15 ? 0xffff : (1 << (count + 1)) - 1, integers);
  const __m512i high = count > 15 ? _mm512_maskz_loadu_epi32((1u << (count - 15)) - 1, integers + 16) : low;
  for (int first = 0; first < channels; first += LANES) {
    const __mmask16 lanes = lanes_from(first, channels);
    const __mmask16 down = _mm512_mask_test_epi32_mask(
        lanes, _mm512_maskz_loadu_epi32(lanes, falling + first), _mm512_set1_epi32(-1));
    __m512i limits[31];
    for (int i = 0; i < count; ++i)
      limits[i] = _mm512_maskz_loadu_epi32(lanes, by_index + (int64_t)i * channels + first);
    for (int p = 0; p < pixels; ++p) {
      const __m512i x = _mm512_maskz_loadu_epi32(lanes, sums + (int64_t)p * stride + first);
      __m512i steps = _mm512_setzero_si512();
      for (int i = 0; i < count; ++i)
        steps = _mm512_mask_add_epi32(steps, _mm512_cmpge_epi32_mask(x, limits[i]), steps, one);
      steps = _mm512_mask_sub_epi32(steps, down, all, steps);
      store(out + (int64_t)p * channels + first, lanes, _mm512_permutex2var_epi32(low, steps, high));
    }
  }
}
#endif

#ifdef PYQKIT_VNNI
// The same for 64-bit sums, eight channels at a time.
template <class Out>
void few_wide_thresholds(const int64_t *sums, int pixels, int channels, int stride, const int64_t *by_index,
                         int count, const int32_t *falling, const int32_t *integers, Out *out) {
  const __m512i one = _mm512_set1_epi64(1), all = _mm512_set1_epi64(count);
  const __m512i low = _mm512_maskz_loadu_epi32(count >= 15 ? 0xffff : (1 << (count + 1)) - 1, integers);
  const __m512i high = count > 15 ? _mm512_maskz_loadu_epi32((1u << (count - 15)) - 1, integers + 16) : low;
  for (int first = 0; first < channels; first += 8) {
    const __mmask8 lanes = channels - first >= 8 ? 0xff : (1 << (channels - first)) - 1;
    const __mmask8 down = (__mmask8)_mm512_mask_test_epi32_mask(
        lanes, _mm512_maskz_loadu_epi32(lanes, falling + first), _mm512_set1_epi32(-1));
    __m512i limits[31];
    for (int i = 0; i < count; ++i)
      limits[i] = _mm512_maskz_loadu_epi64(lanes, by_index + (int64_t)i * channels + first);
    for (int p = 0; p < pixels; ++p) {
      const __m512i x = _mm512_maskz_loadu_epi64(lanes, sums + (int64_t)p * stride + first);
      __m512i steps = _mm512_setzero_si512();
      for (int i = 0; i < count; ++i)
        steps = _mm512_mask_add_epi64(steps, _mm512_cmpge_epi64_mask(x, limits[i]), steps, one);
      steps = _mm512_mask_sub_epi64(steps, down, all, steps);
      const __m512i narrow = _mm512_castsi256_si512(_mm512_cvtepi64_epi32(steps));
      store(out + (int64_t)p * channels + first, lanes, _mm512_permutex2var_epi32(low, narrow, high));
    }
  }
}
#endif

// Steps of a requantiser for one row of pixels, then the integer of each step.
template <class Sum, class Integer, class Out>
void threshold_row(const Sum *sums, int pixels, int channels, int stride, const Sum *by_index,
                   const Sum *by_channel, int count, const int32_t *falling, const Integer *integers,
                   Out *out) {
#ifdef PYQKIT_VNNI
  if constexpr (sizeof(Integer) == 4) {
    if (sizeof(Sum) == 4 && count <= 31)
      return few_thresholds((const int32_t *)sums, pixels, channels, stride, (const int32_t *)by_index, count,
                            falling, integers, out);
    if (sizeof(Sum) == 8 && count <= 31)
      return few_wide_thresholds((const int64_t *)sums, pixels, channels, stride, (const int64_t *)by_index,
                                 count, falling, integers, out);
  }
#endif
  if (count <= 32) {
    int32_t steps[1024];
    for (int p = 0; p < pixels; ++p) {
      for (int first = 0; first < channels; first += 1024) {
        const int n = channels - first < 1024 ? channels - first : 1024;
        const Sum *x = sums + (int64_t)p * stride + first;
        for (int c = 0; c < n; ++c) steps[c] = 0;
        for (int i = 0; i < count; ++i) {
          const Sum *t = by_index + (int64_t)i * channels + first;
          for (int c = 0; c < n; ++c) steps[c] += x[c] >= t[c];
        }
        Out *to = out + (int64_t)p * channels + first;
        for (int c = 0; c < n; ++c) to[c] = (Out)integers[falling[first + c] ? count - steps[c] : steps[c]];
      }
    }
    return;
  }
  int top = 1;  // by_channel rows are padded to a power of two minus one with thresholds that nothing reaches
  while (top * 2 <= count) top *= 2;
  const int padded = top * 2 - 1;
  for (int p = 0; p < pixels; ++p) {
    for (int c = 0; c < channels; ++c) {
      const Sum x = sums[(int64_t)p * stride + c], *t = by_channel + (int64_t)c * padded;
      int steps = 0;
      for (int step = top; step; step >>= 1) steps += x >= t[steps + step - 1] ? step : 0;
      out[(int64_t)p * channels + c] = (Out)integers[falling[c] ? count - steps : steps];
    }
  }
}

// Multiply, add, shift, round half to even, saturate.
template <class Scaled, class Sum, class Out>
void rescale_row(const Sum *sums, int pixels, int channels, int stride, const Requantiser &r, Out *out) {
  const Scaled *multiplier = (const Scaled *)r.multiplier, *offset = (const Scaled *)r.offset;
  const int shift = r.shift;
  const Scaled low = r.low, high = r.high,
               least = r.relu ? 0 : (Scaled)((uint64_t)1 << (8 * sizeof(Scaled) - 1));
  const Scaled below_half = shift ? ((Scaled)1 << (shift - 1)) - 1 : 0, odd = shift ? 1 : 0;
  for (int p = 0; p < pixels; ++p) {
    const Sum *x = sums + (int64_t)p * stride;
    Out *to = out + (int64_t)p * channels;
#pragma GCC ivdep
    for (int c = 0; c < channels; ++c) {
      Scaled y = (Scaled)x[c] * multiplier[c] + offset[c];
      y = y < least ? least : y;
      y = (y + below_half + ((y >> shift) & odd)) >> shift;
      to[c] = (Out)(y < low ? low : y > high ? high : y);
    }
  }
}

template <class Sum, class Out>
void requantise_row(const Sum *sums, int pixels, int channels, int stride, const Requantiser &r, Out *out) {
  typedef std::conditional_t<sizeof(Out) == 8, int64_t, int32_t> Integer;
  if (!r.multiplier)
    threshold_row(sums, pixels, channels, stride, (const Sum *)r.by_index, (const Sum *)r.by_channel, r.count,
                  r.falling, (const Integer *)r.integers, out);
  else if (r.wide)
    rescale_row<int64_t>(sums, pixels, channels, stride, r, out);
  else
    rescale_row<int32_t>(sums, pixels, channels, stride, r, out);
}

inline void affine_rows(const int32_t *sums, int pixels, int channels, int stride, const Affine &a, void *out,
                        int64_t first) {
  affine(Alone{sums, stride}, pixels, channels, a, out, first);
}
inline void affine_rows(const int64_t *sums, int pixels, int channels, int stride, const Affine &a, void *out,
                        int64_t first) {
  if (a.significant)
    affine_long<true>(sums, pixels, channels, stride, a, out, first);
  else
    affine_long<false>(sums, pixels, channels, stride, a, out, first);
}

template <class Sum>
void requantise_any(const Sum *sums, int pixels, int channels, int stride, const Requantiser &r, void *out,
                    int64_t first) {
  if (r.affine) return affine_rows(sums, pixels, channels, stride, *r.affine, out, first);
  char *to = (char *)out + first * channels * r.out_bytes;
  if (r.out_bytes == 1) requantise_row(sums, pixels, channels, stride, r, (uint8_t *)to);
  if (r.out_bytes == 2) requantise_row(sums, pixels, channels, stride, r, (int16_t *)to);
  if (r.out_bytes == 4) requantise_row(sums, pixels, channels, stride, r, (int32_t *)to);
  if (r.out_bytes == 8) requantise_row(sums, pixels, channels, stride, r, (int64_t *)to);
}

}  // namespace

void requantise(const int32_t *sums, int pixels, int channels, int stride, const Requantiser &r, void *out,
                int64_t first) {
  requantise_any(sums, pixels, channels, stride, r, out, first);
}
void requantise(const int64_t *sums, int pixels, int channels, int stride, const Requantiser &r, void *out,
                int64_t first) {
  requantise_any(sums, pixels, channels, stride, r, out, first);
}

extern "C" {

void pyqkit_requantise32(const int32_t *sums, int pixels, int channels, const Requantiser *requantiser,
                         void *out) {
  requantise(sums, pixels, channels, channels, *requantiser, out, 0);
}

void pyqkit_requantise64(const int64_t *sums, int pixels, int channels, const Requantiser *requantiser,
                         void *out) {
  requantise(sums, pixels, channels, channels, *requantiser, out, 0);
}
}
