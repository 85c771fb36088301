// Requantisation by arithmetic: sum * slope + intercept, saturated and rounded to the nearest integer of so many significant
// bits. Each operation is monotone, so Python compares the result on both sides of every threshold and at both ends, and
// uses this only where all are those of the definition (emulate/affine.py).
#pragma once
#include <cstdint>

// What Python passes; emulate/affine.py has the same structure.
struct Affine {
  const void *slope, *intercept;  // [channel], float32 or float64, as many as there are lanes
  int32_t bits;                   // of these floats
  int32_t significant;            // bits of the integers of the result that are not zero; 0 for any integer
  int32_t low, high, out_bytes;
};
