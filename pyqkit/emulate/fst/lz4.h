// What Verilator's FST writer needs of LZ4, without the library: valid blocks of literals alone, not compressed.
#pragma once
#include <cstring>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

inline int LZ4_compress_default(const char *from, char *to, int size, int) {
  char *at = to;
  *at++ = char(size < 15 ? size << 4 : 0xf0);  // the number of literals, then no match: the last sequence of a block
  if (size >= 15) {
    int rest = size - 15;
    for (; rest >= 255; rest -= 255) *at++ = char(255);
    *at++ = char(rest);
  }
  std::memcpy(at, from, size_t(size));
  return int(at - to) + size;
}
