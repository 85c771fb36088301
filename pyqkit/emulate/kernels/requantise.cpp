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

const int CHUNK = 1024;  // channels at a time

// Thresholds that sums of one pixel have passed, of channels from `first` on.
template <class Sum>
void count_steps(const Sum *x, int first, int n, const Sum *by_index, int channels, int count,
                 int32_t *steps) {
  for (int c = 0; c < n; ++c) steps[c] = 0;
  for (int i = 0; i < count; ++i) {
    const Sum *t = by_index + (int64_t)i * channels + first;
    for (int c = 0; c < n; ++c) steps[c] += x[c] >= t[c];
  }
}

// The same by bisection, of some neighbours abreast, since each waits for its loads.
template <int ABREAST, class Sum>
void search_abreast(const Sum *x, const Sum *thresholds, int apart, int top, int32_t *steps) {
  int64_t found[ABREAST] = {};
  for (int step = top; step; step >>= 1)
#pragma GCC unroll 8
    for (int c = 0; c < ABREAST; ++c) {
      const int64_t next = found[c] + step;
      found[c] = x[c] >= thresholds[(int64_t)c * apart + next - 1] ? next : found[c];
    }
  for (int c = 0; c < ABREAST; ++c) steps[c] = (int32_t)found[c];
}

// Rows of `by_channel` are padded to a power of two minus one with thresholds that nothing reaches.
template <class Sum>
void search_steps(const Sum *x, int first, int n, const Sum *by_channel, const Requantiser &r,
                  int32_t *steps) {
  int top = 1;
  while (top * 2 <= r.count) top *= 2;
  const int apart = r.same ? 0 : top * 2 - 1;
  const Sum *thresholds = by_channel + (int64_t)first * apart;
  int c = 0;
  for (; n - c >= 4; c += 4) search_abreast<4>(x + c, thresholds + (int64_t)c * apart, apart, top, steps + c);
  for (; c < n; ++c) search_abreast<1>(x + c, thresholds + (int64_t)c * apart, apart, top, steps + c);
}

// Steps of a requantiser for one row of pixels, then the integer of each step.
template <class Sum, class Integer, class Out>
void threshold_row(const Sum *sums, int pixels, int channels, int stride, const Requantiser &r,
                   const Integer *integers, Out *out) {
  const Sum *by_index = (const Sum *)r.by_index, *by_channel = (const Sum *)r.by_channel;
#ifdef PYQKIT_VNNI
  if constexpr (sizeof(Integer) == 4) {
    if (sizeof(Sum) == 4 && r.count <= 31)
      return few_thresholds((const int32_t *)sums, pixels, channels, stride, (const int32_t *)by_index,
                            r.count, r.falling, integers, out);
    if (sizeof(Sum) == 8 && r.count <= 31)
      return few_wide_thresholds((const int64_t *)sums, pixels, channels, stride, (const int64_t *)by_index,
                                 r.count, r.falling, integers, out);
  }
#endif
  int32_t steps[CHUNK];
  for (int p = 0; p < pixels; ++p) {
    for (int first = 0; first < channels; first += CHUNK) {
      const int n = channels - first < CHUNK ? channels - first : CHUNK;
      const Sum *x = sums + (int64_t)p * stride + first;
      if (r.count <= 32)
        count_steps(x, first, n, by_index, channels, r.count, steps);
      else
        search_steps(x, first, n, by_channel, r, steps);
      Out *to = out + (int64_t)p * channels + first;
      const int32_t *falling = r.falling + first;
      for (int c = 0; c < n; ++c) to[c] = (Out)integers[falling[c] ? r.count - steps[c] : steps[c]];
    }
  }
}

// Multiply, add, shift, round half to even, saturate: channels of one pixel from `first` on.
template <class Scaled, class Sum>
void rescale(const Sum *x, int first, int n, const Requantiser &r, Scaled *to) {
  const Scaled *multiplier = (const Scaled *)r.multiplier + first, *offset = (const Scaled *)r.offset + first;
  const int shift = r.shift;
  const Scaled low = r.low, high = r.high,
               least = r.relu ? 0 : (Scaled)((uint64_t)1 << (8 * sizeof(Scaled) - 1));
  const Scaled below_half = shift ? ((Scaled)1 << (shift - 1)) - 1 : 0, odd = shift ? 1 : 0;
#pragma GCC ivdep
  for (int c = 0; c < n; ++c) {
    Scaled y = (Scaled)x[c] * multiplier[c] + offset[c];
    y = y < least ? least : y;
    y = (y + below_half + ((y >> shift) & odd)) >> shift;
    to[c] = y < low ? low : y > high ? high : y;
  }
}

template <class Scaled, class Sum, class Out>
void rescale_row(const Sum *sums, int pixels, int channels, int stride, const Requantiser &r, Out *out) {
  Scaled rescaled[CHUNK];
  for (int p = 0; p < pixels; ++p) {
    for (int first = 0; first < channels; first += CHUNK) {
      const int n = channels - first < CHUNK ? channels - first : CHUNK;
      rescale(sums + (int64_t)p * stride + first, first, n, r, rescaled);
      Out *to = out + (int64_t)p * channels + first;
      for (int c = 0; c < n; ++c) to[c] = (Out)rescaled[c];
    }
  }
}

template <class Sum, class Out>
void requantise_row(const Sum *sums, int pixels, int channels, int stride, const Requantiser &r, Out *out) {
  typedef std::conditional_t<sizeof(Out) == 8, int64_t, int32_t> Integer;
  if (!r.multiplier)
    threshold_row(sums, pixels, channels, stride, r, (const Integer *)r.integers, out);
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
