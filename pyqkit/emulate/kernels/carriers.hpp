// Arrays between operators: integers of a type that Python names by a number, `KERNEL_TYPES` of pyqkit/emulate/carrier.py.
#pragma once
#include <cstdint>

namespace {

// Calls `act` with the array as what it is: 0 int8, 1 uint8, 2 int16, 3 int32.
template <class Act> void as_typed(const void *values, int type, Act act) {
  if (type == 0) act((const int8_t *)values);
  if (type == 1) act((const uint8_t *)values);
  if (type == 2) act((const int16_t *)values);
  if (type == 3) act((const int32_t *)values);
}

inline int element_bytes(int type) { return type <= 1 ? 1 : type == 2 ? 2 : 4; }

// `count` integers from element `first` on.
inline void widen(const void *values, int type, int64_t first, int count, int32_t *to) {
  as_typed(values, type, [&](auto *from) {
    for (int i = 0; i < count; ++i) to[i] = from[first + i];
  });
}

template <class To> void narrow_to(const int32_t *from, int count, To *to) {
  for (int i = 0; i < count; ++i) to[i] = (To)from[i];
}

// `count` integers to element `first` and those behind it.
inline void narrow(const int32_t *from, int count, void *values, int type, int64_t first) {
  if (type < 2) narrow_to(from, count, (int8_t *)values + first);
  if (type == 2) narrow_to(from, count, (int16_t *)values + first);
  if (type == 3) narrow_to(from, count, (int32_t *)values + first);
}

}  // namespace
