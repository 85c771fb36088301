// Rounding of floats to the nearest values of a format: values[k] for each x, where k is how many limits x / scale
// has reached. `reached` has a head start for every upper half of a float; from there it takes `steps` comparisons,
// hundreds in formats of 16 bits. Where limits are evenly apart, k = rint(x / scale * factor) - first, of what lies
// within first...last.

#include <cmath>
#include <cstdint>
#include <cstring>

// Minifloats, by adding `steps` times the power of two of the number's exponent, which is `least` or more, and taking it
// away again; see `Minifloat.addend`.
inline void round_floating(const float *x, int64_t count, float scale, float low, float high, float least,
                           float steps, float *out) {
  for (int64_t i = 0; i < count; ++i) {
    const float scaled = x[i] / scale;
    const float above = scaled > low ? scaled : low;  // NaN is low
    const float inside = above < high ? above : high;
    uint32_t word;
    std::memcpy(&word, &inside, sizeof word);
    word &= 0x7f800000;
    float power;
    std::memcpy(&power, &word, sizeof power);
    const float large = (power > least ? power : least) * steps;
    const float sum = inside + large;
    out[i] = (sum - large) * scale;
  }
}

#if defined(__AVX512F__) && !defined(PYQKIT_PORTABLE)
#include <immintrin.h>

inline void round_to(const float *x, int64_t count, float scale, const int32_t *reached, const float *limits,
                     int steps, const float *values, float *out) {
  const int LANES = 16;
  const __m512 divisor = _mm512_set1_ps(scale);
  const __m512i one = _mm512_set1_epi32(1);
  for (int64_t i = 0; i < count; i += LANES) {
    const __mmask16 lanes = count - i < LANES ? (1u << (count - i)) - 1 : 0xffff;
    const __m512 scaled = _mm512_div_ps(_mm512_maskz_loadu_ps(lanes, x + i), divisor);
    const __m512i upper = _mm512_srli_epi32(_mm512_castps_si512(scaled), 16);
    __m512i found = _mm512_i32gather_epi32(upper, reached, sizeof *reached);
    for (int step = 0; step < steps; ++step) {
      const __m512 limit = _mm512_i32gather_ps(found, limits, sizeof *limits);
      found = _mm512_mask_add_epi32(found, _mm512_cmp_ps_mask(scaled, limit, _CMP_GE_OQ), found, one);
    }
    _mm512_mask_storeu_ps(out + i, lanes, _mm512_i32gather_ps(found, values, sizeof *values));
  }
}

inline void round_evenly(const float *x, int64_t count, float scale, float factor, float first, float last,
                         const float *values, float *out) {
  const int LANES = 16;
  const __m512 divisor = _mm512_set1_ps(scale), times = _mm512_set1_ps(factor);
  const __m512 low = _mm512_set1_ps(first), high = _mm512_set1_ps(last);
  for (int64_t i = 0; i < count; i += LANES) {
    const __mmask16 lanes = count - i < LANES ? (1u << (count - i)) - 1 : 0xffff;
    const __m512 scaled = _mm512_mul_ps(_mm512_div_ps(_mm512_maskz_loadu_ps(lanes, x + i), divisor), times);
    const __m512 whole = _mm512_roundscale_ps(scaled, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 inside = _mm512_min_ps(_mm512_max_ps(whole, low), high);  // NaN is low
    const __m512i found = _mm512_cvttps_epi32(_mm512_sub_ps(inside, low));
    _mm512_mask_storeu_ps(out + i, lanes, _mm512_i32gather_ps(found, values, sizeof *values));
  }
}
#else
inline void round_to(const float *x, int64_t count, float scale, const int32_t *reached, const float *limits,
                     int steps, const float *values, float *out) {
  for (int64_t i = 0; i < count; ++i) {
    const float scaled = x[i] / scale;
    uint32_t word;
    std::memcpy(&word, &scaled, sizeof word);
    int32_t found = reached[word >> 16];
    for (int step = 0; step < steps; ++step) found += scaled >= limits[found];
    out[i] = values[found];
  }
}

inline void round_evenly(const float *x, int64_t count, float scale, float factor, float first, float last,
                         const float *values, float *out) {
  for (int64_t i = 0; i < count; ++i) {
    const float whole = std::nearbyintf(x[i] / scale * factor);
    const float above = whole > first ? whole : first;  // NaN is first
    out[i] = values[(int32_t)((above < last ? above : last) - first)];
  }
}
#endif

extern "C" {

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
