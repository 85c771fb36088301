// Steps of a staircase by a search tree of float32 whose levels are looked up in registers. Numbers and thresholds are rounded to
// float32, which is monotone: the steps are right unless a number and a threshold are rounded alike, and that is said. Trees come from
// emulate/search_trees.py.
#pragma once
#include <limits>

#include "vector.hpp"

#ifdef PYQKIT_VNNI
namespace {

// So many levels hold a number of thresholds.
inline int levels_of(int count) {
  int levels = 1;
  while (count >> levels) ++levels;
  return levels;
}

// Nodes of a level that sixteen numbers have come to.
template <int LEVEL> inline __m512 nodes_at(const float *from, __m512i place) {
  if constexpr (LEVEL < 5) return _mm512_permutexvar_ps(place, _mm512_loadu_ps(from));
  const __m512 low = _mm512_permutex2var_ps(_mm512_loadu_ps(from), place, _mm512_loadu_ps(from + 16));
  if constexpr (LEVEL < 6) return low;
  if constexpr (LEVEL == 6)
    return _mm512_mask_mov_ps(low, _mm512_test_epi32_mask(place, _mm512_set1_epi32(32)),
                              nodes_at<5>(from + 32, place));
  if constexpr (LEVEL == 7)
    return _mm512_mask_mov_ps(nodes_at<6>(from, place), _mm512_test_epi32_mask(place, _mm512_set1_epi32(64)),
                              nodes_at<6>(from + 64, place));
}

template <int LEVEL, int COUNT>
inline void pass_level(const float *tree, const __m512 *x, __m512i *place, __m512 *reached) {
#pragma GCC unroll 4
  for (int v = 0; v < COUNT; ++v) {
    const __m512 node = nodes_at<LEVEL>(tree + (1 << LEVEL), place[v]);
    const __mmask16 passed = _mm512_cmp_ps_mask(x[v], node, _CMP_GE_OQ);
    reached[v] = _mm512_mask_mov_ps(reached[v], passed, node);
    place[v] = _mm512_add_epi32(place[v], place[v]);
    place[v] = _mm512_mask_add_epi32(place[v], passed, place[v], _mm512_set1_epi32(1));
  }
}

template <int LEVELS, int COUNT> uint64_t find_in(const float *tree, const float *numbers, uint8_t *steps) {
  __m512 x[COUNT], reached[COUNT];
  __m512i place[COUNT];
#pragma GCC unroll 4
  for (int v = 0; v < COUNT; ++v) {
    x[v] = _mm512_loadu_ps(numbers + 16 * v);
    reached[v] = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
    place[v] = _mm512_setzero_si512();
  }
  if constexpr (LEVELS > 0) pass_level<0, COUNT>(tree, x, place, reached);
  if constexpr (LEVELS > 1) pass_level<1, COUNT>(tree, x, place, reached);
  if constexpr (LEVELS > 2) pass_level<2, COUNT>(tree, x, place, reached);
  if constexpr (LEVELS > 3) pass_level<3, COUNT>(tree, x, place, reached);
  if constexpr (LEVELS > 4) pass_level<4, COUNT>(tree, x, place, reached);
  if constexpr (LEVELS > 5) pass_level<5, COUNT>(tree, x, place, reached);
  if constexpr (LEVELS > 6) pass_level<6, COUNT>(tree, x, place, reached);
  if constexpr (LEVELS > 7) pass_level<7, COUNT>(tree, x, place, reached);
  uint64_t equal = 0;
#pragma GCC unroll 4
  for (int v = 0; v < COUNT; ++v) {
    // a number that equals a threshold has passed it, and after it none but its equals
    equal |= (uint64_t)_mm512_cmp_ps_mask(x[v], reached[v], _CMP_EQ_OQ) << 16 * v;
    _mm_storeu_si128((__m128i *)(steps + 16 * v), _mm512_cvtepi32_epi8(place[v]));
  }
  return equal;
}

// Steps of sixteen numbers, or of 64; bits of those that equal a threshold.
template <int COUNT>
uint64_t find_steps(int levels, const float *tree, const float *numbers, uint8_t *steps) {
  switch (levels) {
    case 1:
      return find_in<1, COUNT>(tree, numbers, steps);
    case 2:
      return find_in<2, COUNT>(tree, numbers, steps);
    case 3:
      return find_in<3, COUNT>(tree, numbers, steps);
    case 4:
      return find_in<4, COUNT>(tree, numbers, steps);
    case 5:
      return find_in<5, COUNT>(tree, numbers, steps);
    case 6:
      return find_in<6, COUNT>(tree, numbers, steps);
    case 7:
      return find_in<7, COUNT>(tree, numbers, steps);
    default:
      return find_in<8, COUNT>(tree, numbers, steps);
  }
}

}  // namespace
#endif
