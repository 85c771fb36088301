// Rounding of floats to the nearest values of a format: values[k] for each x, where k is how many limits x / scale
// has reached. `reached` has a head start for every upper half of a float; from there it takes `steps` comparisons.
#pragma once

#include <cstdint>
#include <cstring>

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
#endif
