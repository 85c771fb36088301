// What Verilator's FST writer needs of zlib, without the library: valid streams of stored blocks, not compressed.
#pragma once
#include <cstdint>
#include <cstring>

typedef unsigned long uLong;
typedef unsigned long uLongf;
typedef unsigned char Bytef;
enum { Z_OK = 0 };

inline uLong compressBound(uLong size) { return size + 5 * (size / 65535 + 1) + 6; }

inline int compress2(Bytef *to, uLongf *written, const Bytef *from, uLong size, int) {
  Bytef *at = to;
  *at++ = 0x78, *at++ = 0x01;  // deflate, window of 32 KiB
  uint32_t low = 1, high = 0;  // Adler-32
  uLong first = 0;
  do {
    const uint16_t count = uint16_t(size - first < 65535 ? size - first : 65535);
    *at++ = first + count == size;  // whether this block is the last one
    *at++ = Bytef(count), *at++ = Bytef(count >> 8), *at++ = Bytef(~count), *at++ = Bytef(~count >> 8);
    std::memcpy(at, from + first, count);
    for (int i = 0; i < count; ++i) low = (low + at[i]) % 65521, high = (high + low) % 65521;
    at += count, first += count;
  } while (first < size);
  for (int i = 3; i >= 0; --i) *at++ = Bytef((i > 1 ? high : low) >> (8 * (i & 1)));
  *written = uLongf(at - to);
  return Z_OK;
}
