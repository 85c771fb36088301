// Arrays between operators: integers of a type that Python names by a number, `KERNEL_TYPES` of pyqkit/emulate/carrier.py.
#pragma once
#include <cstdint>

namespace {

// Calls `act` with the array as what it is: 0 int8, 1 uint8, 2 int16, 3 int32.
template <class Act>
void as_typed(const void *values, int type, Act act) {
  if (type == 0) act((const int8_t *)values);
  if (type == 1) act((const uint8_t *)values);
  if (type == 2) act((const int16_t *)values);
  if (type == 3) act((const int32_t *)values);
}

// The same of an array that is written.
template <class Act>
void as_typed(void *values, int type, Act act) {
  if (type == 0) act((int8_t *)values);
  if (type == 1) act((uint8_t *)values);
  if (type == 2) act((int16_t *)values);
  if (type == 3) act((int32_t *)values);
}

}  // namespace
