// Products of look-ups: see lookup.cpp.
#pragma once
#include <type_traits>

#include "lookup_image.hpp"

namespace looked_up {

namespace {

#ifdef PYQKIT_VNNI
inline __m512i two_rows(const int16_t *rows, const uint16_t *which) {
  const __m512i low = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(rows + 16 * which[0])));
  return _mm512_inserti64x4(low, _mm256_loadu_si256((const __m256i *)(rows + 16 * which[1])), 1);
}

// Sums in 32 bits, times a power of two, added to those in 64 bits, or in their place where these are `fresh`.
template <int COUNT>
inline __attribute__((always_inline)) void add_shifted(const __m512i *found, int by, bool fresh,
                                                       int64_t *sums) {
  const __m128i shift = _mm_cvtsi32_si128(by);
#pragma GCC unroll 8
  for (int v = 0; v < COUNT; ++v, sums += LANES) {
    __m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(found[v]));
    __m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(found[v], 1));
    low = _mm512_sll_epi64(low, shift), high = _mm512_sll_epi64(high, shift);
    if (!fresh) {
      low = _mm512_add_epi64(_mm512_loadu_si512(sums), low);
      high = _mm512_add_epi64(_mm512_loadu_si512(sums + 8), high);
    }
    _mm512_storeu_si512(sums, low);
    _mm512_storeu_si512(sums + 8, high);
  }
}
#elif !defined(PYQKIT_AVX2)
template <int COUNT>
void add_products(const int16_t *x, const int16_t *rows, const uint16_t *which, int32_t *found) {
  for (int p = 0; p < COUNT * LANES; ++p, x += 2)
    found[p] +=
        rows[16 * which[0] + x[0]] * x[2 * PIXELS] + rows[16 * which[1] + x[1] - 16] * x[2 * PIXELS + 1];
}

template <int COUNT> void add_shifted(const int32_t *found, int shift, bool fresh, int64_t *sums) {
  for (int p = 0; p < COUNT * LANES; ++p) sums[p] = (fresh ? 0 : sums[p]) + found[p] * ((int64_t)1 << shift);
}
#endif

// Products of some pairs with what a few outputs choose, for COUNT vectors of pixels. Alone, g++ keeps all sums in registers.
template <int COUNT>
__attribute__((noinline)) void add_fours(const int16_t *x, const int16_t *rows, const Four *four, int pairs,
                                         int shift, bool fresh, int64_t *sums) {
#ifdef PYQKIT_VNNI
  __m512i found[TOGETHER][COUNT];  // in registers, as every loop over them is unrolled
#pragma GCC unroll 8
  for (int o = 0; o < TOGETHER; ++o)
#pragma GCC unroll 8
    for (int v = 0; v < COUNT; ++v) found[o][v] = _mm512_setzero_si512();
  for (const Four *end = four + pairs; four < end; ++four) {
    const int16_t *from = x + four->pair * PAIR;
    __m512i mantissas[COUNT], powers[COUNT];  // stay in registers for all outputs
#pragma GCC unroll 8
    for (int v = 0; v < COUNT; ++v) {
      mantissas[v] = _mm512_load_si512(from + 2 * LANES * v);
      powers[v] = _mm512_load_si512(from + 2 * PIXELS + 2 * LANES * v);
    }
#pragma GCC unroll 8
    for (int o = 0; o < TOGETHER; ++o) {
      const __m512i row = two_rows(rows, four->rows[o]);
#pragma GCC unroll 8
      for (int v = 0; v < COUNT; ++v)
        found[o][v] =
            _mm512_dpwssd_epi32(found[o][v], _mm512_permutexvar_epi16(mantissas[v], row), powers[v]);
    }
  }
#elif defined(PYQKIT_AVX2)
  for (int o = 0; o < TOGETHER; ++o) {
    Products<COUNT> found;
    for (int i = 0; i < pairs; ++i) found.add(x + four[i].pair * PAIR, rows, four[i].rows[o], 2 * PIXELS);
    found.add_shifted(shift, fresh, sums + o * PIXELS);
  }
#else
  int32_t found[TOGETHER][COUNT * LANES] = {};
  for (const Four *end = four + pairs; four < end; ++four)
#pragma GCC unroll 8
    for (int o = 0; o < TOGETHER; ++o)
      add_products<COUNT>(x + four->pair * PAIR, rows, four->rows[o], found[o]);
#endif
#ifndef PYQKIT_AVX2
#pragma GCC unroll 8
  for (int o = 0; o < TOGETHER; ++o) add_shifted<COUNT>(found[o], shift, fresh, sums + o * PIXELS);
#endif
}

// Those of a run of entries, for one output.
template <int COUNT>
void add_entries(const int16_t *x, const int16_t *rows, const Entry *entry, const Run &run, int64_t *sums) {
#ifdef PYQKIT_VNNI
  __m512i found[COUNT];
#pragma GCC unroll 8
  for (int v = 0; v < COUNT; ++v) found[v] = _mm512_setzero_si512();
  for (const Entry *end = entry + run.entries; entry < end; ++entry) {
    const __m512i row = two_rows(rows, entry->rows);
    const int16_t *mantissas = x + entry->pair * PAIR, *powers = mantissas + 2 * PIXELS;
#pragma GCC unroll 8
    for (int v = 0; v < COUNT; ++v)
      found[v] = _mm512_dpwssd_epi32(
          found[v], _mm512_permutexvar_epi16(_mm512_load_si512(mantissas + 2 * LANES * v), row),
          _mm512_load_si512(powers + 2 * LANES * v));
  }
#elif defined(PYQKIT_AVX2)
  Products<COUNT> found;
  for (const Entry *end = entry + run.entries; entry < end; ++entry)
    found.add(x + entry->pair * PAIR, rows, entry->rows, 2 * PIXELS);
  found.add_shifted(run.shift, false, sums);
#else
  int32_t found[COUNT * LANES] = {};
  for (const Entry *end = entry + run.entries; entry < end; ++entry)
    add_products<COUNT>(x + entry->pair * PAIR, rows, entry->rows, found);
#endif
#ifndef PYQKIT_AVX2
  add_shifted<COUNT>(found, run.shift, false, sums);
#endif
}

// Calls `act` with the number of vectors that hold so many pixels of a tile, as a constant; those behind them are never read.
template <class Act> void with_vectors(int pixels, Act act) {
  if (pixels > 3 * LANES)
    act(std::integral_constant<int, 4>());
  else if (pixels > 2 * LANES)
    act(std::integral_constant<int, 3>());
  else if (pixels > LANES)
    act(std::integral_constant<int, 2>());
  else
    act(std::integral_constant<int, 1>());
}

}  // namespace

}  // namespace looked_up
