// Look-ups of lookup.cpp with AVX2, whose shuffles find bytes of sixteen: the lower bytes of both rows by eight mantissas, and
// so on. A control byte of 128 or more finds zero, so that each mantissa is found in one of two tables.
#pragma once
#include <immintrin.h>

#include <vector>

namespace {

// Groups of `size` words as their lower bytes, then their upper ones.
inline std::vector<int16_t> bytes_apart(const int16_t *words, int64_t count, int size) {
  std::vector<int16_t> made(count);
  uint8_t *to = (uint8_t *)made.data();
  for (int64_t first = 0; first < count; first += size, to += 2 * size)
    for (int i = 0; i < size; ++i) {
      to[i] = (uint8_t)words[first + i];
      to[size + i] = (uint8_t)((uint16_t)words[first + i] >> 8);
    }
  return made;
}

inline __m256i sixteen_bytes(const void *from) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)from));
}

// Sixteen pixels of a pair: [control of the first table, of the second], and `apart` words on [powers of pixels 0 to 3 and 8 to
// 11, of the others], zero of mantissas in other groups.
inline void split_bytes(const uint16_t *first, const uint16_t *second, int group, const int16_t *powers,
                        int16_t *to, int apart) {
  const __m256i x = _mm256_loadu_si256((const __m256i *)first),
                y = _mm256_loadu_si256((const __m256i *)second);
  const __m256i low = _mm256_set1_epi16(255);
  const __m256i mantissas = _mm256_or_si256(_mm256_and_si256(x, low), _mm256_slli_epi16(y, 8));
  const __m256i indices = _mm256_or_si256(_mm256_srli_epi16(x, 8), _mm256_andnot_si256(low, y));
  const __m256i inside = _mm256_cmpeq_epi8(_mm256_and_si256(mantissas, _mm256_set1_epi8((char)0xf0)),
                                           _mm256_set1_epi8((char)(16 * group)));
  const __m256i table = _mm256_slli_epi16(_mm256_and_si256(mantissas, _mm256_set1_epi8(8)), 4);
  const __m256i place =
      _mm256_or_si256(_mm256_and_si256(mantissas, _mm256_set1_epi8(7)), _mm256_set1_epi16(8 << 8));
  const __m256i control = _mm256_or_si256(place, table);
  __m256i lower = _mm256_setzero_si256(), upper = lower;
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    const __m256i of_sixteen =
        _mm256_adds_epu8(_mm256_xor_si256(indices, _mm256_set1_epi8((char)(16 * k))), _mm256_set1_epi8(0x70));
    const char *bytes = (const char *)powers + 16 * k;
    lower = _mm256_or_si256(lower, _mm256_shuffle_epi8(sixteen_bytes(bytes), of_sixteen));
    upper = _mm256_or_si256(upper, _mm256_shuffle_epi8(sixteen_bytes(bytes + 64), of_sixteen));
  }
  lower = _mm256_and_si256(lower, inside);
  upper = _mm256_and_si256(upper, inside);
  __m256i *controls = (__m256i *)to, *found = (__m256i *)(to + apart);
  _mm256_storeu_si256(controls, control);
  _mm256_storeu_si256(controls + 1, _mm256_xor_si256(control, _mm256_set1_epi8((char)128)));
  _mm256_storeu_si256(found, _mm256_unpacklo_epi8(lower, upper));
  _mm256_storeu_si256(found + 1, _mm256_unpackhi_epi8(lower, upper));
}

// Sums of `vectors` times sixteen pixels.
template <int VECTORS> struct Products {
  __m256i sums[VECTORS][2];

  Products() {
    for (auto &vector : sums) vector[0] = vector[1] = _mm256_setzero_si256();
  }

  inline void add(const int16_t *x, const int16_t *rows, const uint16_t *which, int apart) {
    const int16_t *a = rows + 16 * which[0], *b = rows + 16 * which[1];
    const __m256i low[2] = {sixteen_bytes(a), sixteen_bytes(b)},
                  high[2] = {sixteen_bytes(a + 8), sixteen_bytes(b + 8)};
    const __m256i lower[2] = {_mm256_unpacklo_epi64(low[0], low[1]), _mm256_unpackhi_epi64(low[0], low[1])};
    const __m256i upper[2] = {_mm256_unpacklo_epi64(high[0], high[1]),
                              _mm256_unpackhi_epi64(high[0], high[1])};
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v) {
      const __m256i *controls = (const __m256i *)(x + 32 * v),
                    *powers = (const __m256i *)(x + 32 * v + apart);
      const __m256i first = _mm256_loadu_si256(controls), second = _mm256_loadu_si256(controls + 1);
      const __m256i l =
          _mm256_or_si256(_mm256_shuffle_epi8(lower[0], first), _mm256_shuffle_epi8(lower[1], second));
      const __m256i u =
          _mm256_or_si256(_mm256_shuffle_epi8(upper[0], first), _mm256_shuffle_epi8(upper[1], second));
      sums[v][0] = _mm256_add_epi32(
          sums[v][0], _mm256_madd_epi16(_mm256_unpacklo_epi8(l, u), _mm256_loadu_si256(powers)));
      sums[v][1] = _mm256_add_epi32(
          sums[v][1], _mm256_madd_epi16(_mm256_unpackhi_epi8(l, u), _mm256_loadu_si256(powers + 1)));
    }
  }

  // sums * 2**by, added to those of 64 bits, or in their place where these are `fresh`.
  inline void add_shifted(int by, bool fresh, int64_t *to) const {
    const __m128i shift = _mm_cvtsi32_si128(by);
    const auto four = [&](__m128i x, int64_t *at) {
      const __m256i wide = _mm256_sll_epi64(_mm256_cvtepi32_epi64(x), shift);
      const __m256i known = fresh ? _mm256_setzero_si256() : _mm256_loadu_si256((const __m256i *)at);
      _mm256_storeu_si256((__m256i *)at, _mm256_add_epi64(known, wide));
    };
    for (int v = 0; v < VECTORS; ++v, to += 16)
      for (int side = 0; side < 2; ++side) {
        four(_mm256_castsi256_si128(sums[v][side]), to + 4 * side);
        four(_mm256_extracti128_si256(sums[v][side], 1), to + 4 * side + 8);
      }
  }
};

}  // namespace
