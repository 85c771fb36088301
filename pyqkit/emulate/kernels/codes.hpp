// Codes of Logarithmic Posits as the numbers that stand for them.
#pragma once
#include "vector.hpp"

namespace {

const int FEW = 16;  // codes whose table is one register; Python fills shorter tables up to it

// Integers of the first `count` codes of a vector.
inline Ints integers_of(const uint8_t *codes, int count, const int32_t *integers, bool few) {
  const Ints index = widened(codes, count);
#ifdef PYQKIT_VNNI
  if (few) return (Ints)_mm512_permutexvar_epi32((__m512i)index, loaded<__m512i>(integers));
#endif
  (void)few;
  Ints found;
  for (int lane = 0; lane < VECTOR; ++lane) found[lane] = integers[index[lane]];
  return found;
}

// `copies` words of each code, plus `flip`.
template <class To>
void expand(const uint8_t *codes, int count, const int16_t *words, int copies, int flip, To *to) {
  for (int i = 0; i < count; ++i)
    for (int copy = 0; copy < copies; ++copy) *to++ = (To)(words[codes[i] * copies + copy] + flip);
}

// The same of two words.
inline void expand_pairs(const uint8_t *codes, int count, const int16_t *words, bool few, int16_t *to) {
  int i = 0;
#ifdef PYQKIT_VNNI
  if (few)
    for (const __m512i table = loaded<__m512i>(words); i + 16 <= count; i += 16)
      _mm512_storeu_si512(to + 2 * i, _mm512_permutexvar_epi32((__m512i)widened(codes + i), table));
#endif
  (void)few;
  for (; i < count; ++i) std::memcpy(to + 2 * i, words + 2 * codes[i], 4);
}

}  // namespace
