// Products of look-ups: see lookup.cpp.
#pragma once
#include "lookup_image.hpp"

namespace looked_up {

namespace {

#ifdef PYQKIT_VNNI
inline __m512i two_rows(const int16_t *rows, const uint16_t *which) {
  const __m512i low = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(rows + 16 * which[0])));
  return _mm512_inserti64x4(low, _mm256_loadu_si256((const __m256i *)(rows + 16 * which[1])), 1);
}

template <int COUNT> void add_shifted(const __m512i *found, int by, int64_t *sums) {
  const __m128i shift = _mm_cvtsi32_si128(by);
#pragma GCC unroll 8
  for (int v = 0; v < COUNT; ++v, sums += LANES) {
    const __m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(found[v]));
    const __m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(found[v], 1));
    _mm512_storeu_si512(sums, _mm512_add_epi64(_mm512_loadu_si512(sums), _mm512_sll_epi64(low, shift)));
    _mm512_storeu_si512(sums + 8,
                        _mm512_add_epi64(_mm512_loadu_si512(sums + 8), _mm512_sll_epi64(high, shift)));
  }
}
#elif !defined(PYQKIT_AVX2)
template <int COUNT>
void add_products(const int16_t *x, const int16_t *rows, const uint16_t *which, int32_t *found) {
  for (int p = 0; p < COUNT * LANES; ++p, x += 2)
    found[p] +=
        rows[16 * which[0] + x[0]] * x[2 * PIXELS] + rows[16 * which[1] + x[1] - 16] * x[2 * PIXELS + 1];
}

template <int COUNT> void add_shifted(const int32_t *found, int shift, int64_t *sums) {
  for (int p = 0; p < COUNT * LANES; ++p) sums[p] += found[p] * ((int64_t)1 << shift);
}
#endif

// Products of some pairs with the weights of a few outputs that have the common shift, for COUNT vectors of pixels.
template <int COUNT>
void add_common(const int16_t *x, const int16_t *rows, const uint16_t *which, int pairs, int shift,
                int64_t *sums) {
#ifdef PYQKIT_VNNI
  __m512i found[TOGETHER][COUNT];
  for (auto &output : found)
    for (auto &vector : output) vector = _mm512_setzero_si512();
  for (int pair = 0; pair < pairs; ++pair, x += PAIR) {
    __m512i mantissas[COUNT], powers[COUNT];  // stay in registers for all outputs
#pragma GCC unroll 8
    for (int v = 0; v < COUNT; ++v) {
      mantissas[v] = _mm512_load_si512(x + 2 * LANES * v);
      powers[v] = _mm512_load_si512(x + 2 * PIXELS + 2 * LANES * v);
    }
#pragma GCC unroll 8
    for (int o = 0; o < TOGETHER; ++o, which += 2) {
      const __m512i row = two_rows(rows, which);
#pragma GCC unroll 8
      for (int v = 0; v < COUNT; ++v)
        found[o][v] =
            _mm512_dpwssd_epi32(found[o][v], _mm512_permutexvar_epi16(mantissas[v], row), powers[v]);
    }
  }
#elif defined(PYQKIT_AVX2)
  for (int o = 0; o < TOGETHER; ++o) {
    Products<COUNT> found;
    for (int pair = 0; pair < pairs; ++pair)
      found.add(x + (int64_t)pair * PAIR, rows, which + 2 * (pair * TOGETHER + o), 2 * PIXELS);
    found.add_shifted(shift, sums + o * PIXELS);
  }
#else
  int32_t found[TOGETHER][COUNT * LANES] = {};
  for (int pair = 0; pair < pairs; ++pair, x += PAIR)
#pragma GCC unroll 8
    for (int o = 0; o < TOGETHER; ++o, which += 2) add_products<COUNT>(x, rows, which, found[o]);
#endif
#ifndef PYQKIT_AVX2
#pragma GCC unroll 8
  for (int o = 0; o < TOGETHER; ++o) add_shifted<COUNT>(found[o], shift, sums + o * PIXELS);
#endif
}

// The same of the first pixels of a tile.
inline void add_common(const int16_t *x, const int16_t *rows, const uint16_t *which, int pairs, int shift,
                       int pixels, int64_t *sums) {
  if (pixels > 3 * LANES)
    add_common<4>(x, rows, which, pairs, shift, sums);
  else if (pixels > 2 * LANES)
    add_common<3>(x, rows, which, pairs, shift, sums);
  else if (pixels > LANES)
    add_common<2>(x, rows, which, pairs, shift, sums);
  else
    add_common<1>(x, rows, which, pairs, shift, sums);
}

// Those of a run of entries, for one output.
inline void add_run(const int16_t *x, const int16_t *rows, const Entry *entry, const Run &run,
                    int64_t *sums) {
#ifdef PYQKIT_VNNI
  __m512i found[VECTORS];
  for (auto &vector : found) vector = _mm512_setzero_si512();
  for (const Entry *end = entry + run.entries; entry < end; ++entry) {
    const __m512i row = two_rows(rows, entry->rows);
    const int16_t *mantissas = x + entry->pair * PAIR, *powers = mantissas + 2 * PIXELS;
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v)
      found[v] = _mm512_dpwssd_epi32(
          found[v], _mm512_permutexvar_epi16(_mm512_load_si512(mantissas + 2 * LANES * v), row),
          _mm512_load_si512(powers + 2 * LANES * v));
  }
#elif defined(PYQKIT_AVX2)
  Products<VECTORS> found;
  for (const Entry *end = entry + run.entries; entry < end; ++entry)
    found.add(x + entry->pair * PAIR, rows, entry->rows, 2 * PIXELS);
  found.add_shifted(run.shift, sums);
#else
  int32_t found[PIXELS] = {};
  for (const Entry *end = entry + run.entries; entry < end; ++entry)
    add_products<VECTORS>(x + entry->pair * PAIR, rows, entry->rows, found);
#endif
#ifndef PYQKIT_AVX2
  add_shifted<VECTORS>(found, run.shift, sums);
#endif
}

}  // namespace

}  // namespace looked_up
