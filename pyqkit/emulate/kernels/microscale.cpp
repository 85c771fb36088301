// Blocks of channels to integers that share a power of two, found from the largest.
#include <algorithm>

#include "carriers.hpp"

// What Python passes; emulate/operators/microscale.py has the same structure.
struct Microscale {
  int32_t type, channels, most, lowest, highest;  // the largest integer; exponents of the powers
};

namespace {

const int BLOCK = 128;

// x / 2**exponent, to the nearest, half to even; magnitudes are at most 2**30.
struct Divided {
  int32_t shift, below_half, odd;

  explicit Divided(int exponent) : shift(std::min(exponent, 31)) {
    below_half = shift ? (int32_t)((1u << (shift - 1)) - 1) : 0;
    odd = shift ? 1 : 0;
  }
  inline int32_t operator()(int32_t x) const { return (x + below_half + ((x >> shift) & odd)) >> shift; }
};

// The same where the exponent is negative; what passes 127 need not be exact.
struct Multiplied {
  int32_t factor;

  explicit Multiplied(int exponent) : factor(1 << std::min(-exponent, 8)) {}
  inline int32_t operator()(int32_t x) const { return std::min(std::max(x, -127), 127) * factor; }
};

template <class T, class Scale>
void scaled(const T *x, int count, const Scale &scale, int32_t most, int32_t unit, int16_t *to) {
  for (int i = 0; i < count; ++i) to[i] = (int16_t)(std::min(std::max(scale(x[i]), -most), most) * unit);
}

template <class T> void block(const T *x, int count, const Microscale &m, int16_t *to) {
  int32_t largest = 1;  // of zeros any exponent will do
  for (int i = 0; i < count; ++i) largest = std::max(largest, x[i] < 0 ? -(int32_t)x[i] : (int32_t)x[i]);
  const int reach = 31 - __builtin_clz(m.most), wanted = 31 - __builtin_clz(largest) - reach;
  const int exponent = std::min(std::max(wanted, m.lowest), m.highest);
  const int32_t unit = 1 << (exponent - m.lowest);
  if (exponent < 0)
    scaled(x, count, Multiplied(exponent), m.most, unit, to);
  else
    scaled(x, count, Divided(exponent), m.most, unit, to);
}

}  // namespace

extern "C" {

void pyqkit_microscale(const Microscale *what, const void *x, int64_t pixels, int16_t *to) {
  const Microscale &m = *what;
  as_typed(x, m.type, [&](auto *from) {
    for (int64_t pixel = 0; pixel < pixels; ++pixel, from += m.channels, to += m.channels)
      for (int first = 0; first < m.channels; first += BLOCK)
        block(from + first, std::min(BLOCK, m.channels - first), m, to + first);
  });
}
}
