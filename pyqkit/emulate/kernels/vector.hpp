// Vectors of the longest registers that the compiler may use: AVX-512 with VNNI, AVX2, or plain C++ (also
// PYQKIT_PORTABLE). Their arithmetic is that of g++'s vector types, the same source for all.
#pragma once
#include <cstdint>
#include <cstring>

#include "lanes.hpp"

#if defined(__AVX512VNNI__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && \
    !defined(PYQKIT_PORTABLE)
#include <immintrin.h>
#define PYQKIT_VNNI 1
#elif defined(__AVX2__) && defined(__FMA__) && !defined(PYQKIT_PORTABLE)
#include <immintrin.h>
#define PYQKIT_AVX2 1
#endif

namespace {

#ifdef PYQKIT_VNNI
const int VECTOR = 16;  // sums of 32 bits in a register
#else
const int VECTOR = 8;
#endif
const int HALF = VECTOR / 2;  // sums of 64 bits

typedef int32_t Ints __attribute__((vector_size(4 * VECTOR)));
typedef float Floats __attribute__((vector_size(4 * VECTOR)));
typedef double Doubles __attribute__((vector_size(4 * VECTOR)));
typedef int64_t Longs __attribute__((vector_size(4 * VECTOR)));
typedef int32_t HalfInts __attribute__((vector_size(2 * VECTOR)));

template <class Vector> inline Vector loaded(const void *from) {
  Vector to;
  std::memcpy(&to, from, sizeof to);
  return to;
}

#ifdef PYQKIT_AVX2
// Weights that stay in a register: g++ 12 reads them again for each pixel, and a tile waits for its loads.
inline __m256i held(const char *from) {
  __m256i weights = _mm256_loadu_si256((const __m256i *)from);
  asm("" : "+x"(weights));
  return weights;
}
#endif

// What lies in memory for the lanes of a vector of sums.
template <class Element> struct Narrow {
  typedef Element Vector __attribute__((vector_size(sizeof(Element) * VECTOR)));
};

// g++ 12 moves bytes one by one where it is not told of the instruction.
inline Narrow<uint8_t>::Vector bytes_of(Ints x) {
#if defined(PYQKIT_VNNI)
  return (Narrow<uint8_t>::Vector)_mm512_cvtepi32_epi8((__m512i)x);
#elif defined(PYQKIT_AVX2)
  const __m256i low = _mm256_and_si256((__m256i)x, _mm256_set1_epi32(255));
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  return (Narrow<uint8_t>::Vector)_mm_cvtsi128_si64(_mm_packus_epi16(words, words));
#else
  return __builtin_convertvector(x, Narrow<uint8_t>::Vector);
#endif
}

inline Ints widened(const int8_t *from) {
#if defined(PYQKIT_VNNI)
  return (Ints)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)from));
#elif defined(PYQKIT_AVX2)
  return (Ints)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)from));
#else
  return __builtin_convertvector(loaded<Narrow<int8_t>::Vector>(from), Ints);
#endif
}
inline Ints widened(const uint8_t *from) {
#if defined(PYQKIT_VNNI)
  return (Ints)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from));
#elif defined(PYQKIT_AVX2)
  return (Ints)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from));
#else
  return __builtin_convertvector(loaded<Narrow<uint8_t>::Vector>(from), Ints);
#endif
}
inline Ints widened(const int16_t *from) {
  return __builtin_convertvector(loaded<Narrow<int16_t>::Vector>(from), Ints);
}
inline Ints widened(const int32_t *from) { return loaded<Ints>(from); }

// Some elements, fewer than a vector has: its other lanes are zero, or not stored. Copies of so many bytes are calls.
#if defined(PYQKIT_VNNI)
inline __mmask16 lanes_below(int count) { return (__mmask16)((1u << count) - 1); }
inline Ints widened_some(const int8_t *from, int count) {
  return (Ints)_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes_below(count), from));
}
inline Ints widened_some(const uint8_t *from, int count) {
  return (Ints)_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes_below(count), from));
}
inline Ints widened_some(const int16_t *from, int count) {
  return (Ints)_mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(lanes_below(count), from));
}
inline Ints widened_some(const int32_t *from, int count) {
  return (Ints)_mm512_maskz_loadu_epi32(lanes_below(count), from);
}
inline void stored_some(uint8_t *to, int count, Narrow<uint8_t>::Vector x) {
  _mm_mask_storeu_epi8(to, lanes_below(count), (__m128i)x);
}
inline void stored_some(int16_t *to, int count, Narrow<int16_t>::Vector x) {
  _mm256_mask_storeu_epi16(to, lanes_below(count), (__m256i)x);
}
inline void stored_some(int32_t *to, int count, Ints x) {
  _mm512_mask_storeu_epi32(to, lanes_below(count), (__m512i)x);
}
#else
template <class Element> inline Ints widened_some(const Element *from, int count) {
  Element some[VECTOR] = {};
  std::memcpy(some, from, sizeof(Element) * count);
  return widened(some);
}
template <class Element, class Vector> inline void stored_some(Element *to, int count, const Vector &x) {
  std::memcpy(to, &x, sizeof(Element) * count);
}
#endif

// The first `count` elements, the others zero; nothing behind them is read.
template <class Element> inline Ints widened(const Element *from, int count) {
  return count >= VECTOR ? widened(from) : widened_some(from, count);
}

// The first `count` lanes; what does not fit an element is cut off.
template <class Element, class Vector> inline void stored_first(Element *to, int count, const Vector &x) {
  if (count >= VECTOR)
    std::memcpy(to, &x, sizeof x);
  else
    stored_some(to, count, x);
}
inline void stored(uint8_t *to, int count, Ints x) { stored_first(to, count, bytes_of(x)); }
inline void stored(int16_t *to, int count, Ints x) {
  stored_first(to, count, __builtin_convertvector(x, Narrow<int16_t>::Vector));
}
inline void stored(int32_t *to, int count, Ints x) { stored_first(to, count, x); }

template <class Vector> inline Vector lesser(Vector x, Vector y) { return x < y ? x : y; }
template <class Vector> inline Vector greater(Vector x, Vector y) { return x > y ? x : y; }

// Halves of a vector, of float64 or back from it.
inline Doubles doubles(HalfInts x) {
#if defined(PYQKIT_VNNI)
  return (Doubles)_mm512_cvtepi32_pd((__m256i)x);
#elif defined(PYQKIT_AVX2)
  return (Doubles)_mm256_cvtepi32_pd((__m128i)x);
#else
  return __builtin_convertvector(x, Doubles);
#endif
}
inline HalfInts half(Ints x, int which) {
#if defined(PYQKIT_VNNI)
  return (HalfInts)(which ? _mm512_extracti64x4_epi64((__m512i)x, 1) : _mm512_castsi512_si256((__m512i)x));
#elif defined(PYQKIT_AVX2)
  return (HalfInts)(which ? _mm256_extracti128_si256((__m256i)x, 1) : _mm256_castsi256_si128((__m256i)x));
#else
  HalfInts parts[2];
  std::memcpy(parts, &x, sizeof x);
  return parts[which];
#endif
}
inline Ints whole(HalfInts low, HalfInts high) {
#if defined(PYQKIT_VNNI)
  return (Ints)_mm512_inserti64x4(_mm512_castsi256_si512((__m256i)low), (__m256i)high, 1);
#elif defined(PYQKIT_AVX2)
  return (Ints)_mm256_inserti128_si256(_mm256_castsi128_si256((__m128i)low), (__m128i)high, 1);
#else
  const HalfInts parts[2] = {low, high};
  Ints x;
  std::memcpy(&x, parts, sizeof x);
  return x;
#endif
}

// x * y + z, rounded once where there is such an instruction; the flags keep g++ from choosing on its own.
inline Floats fused(Floats x, Floats y, Floats z) {
#if defined(PYQKIT_VNNI)
  return (Floats)_mm512_fmadd_ps((__m512)x, (__m512)y, (__m512)z);
#elif defined(PYQKIT_AVX2)
  return (Floats)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)z);
#else
  return x * y + z;
#endif
}
inline Doubles fused(Doubles x, Doubles y, Doubles z) {
#if defined(PYQKIT_VNNI)
  return (Doubles)_mm512_fmadd_pd((__m512d)x, (__m512d)y, (__m512d)z);
#elif defined(PYQKIT_AVX2)
  return (Doubles)_mm256_fmadd_pd((__m256d)x, (__m256d)y, (__m256d)z);
#else
  return x * y + z;
#endif
}

}  // namespace
