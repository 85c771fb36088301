// What a code means, as an integer. Every format is a struct with
//   BITS            width of a code
//   WIDTH           width of the signed integer it decodes to
//   decode(code)    that integer, in the format's unit
// Integers and minifloats are decoded by arithmetic, any other format by a table that Python writes.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {

// An exact number of BITS bits. Simulation computes in the next native type and truncates when a word is written: modulo
// 2**BITS that is the same, and g++ can vectorise it.
#ifndef PYQKIT_SIMULATION
template <int BITS> using Exact = ap_int<BITS>;
#else
template <int BITS> using Exact = ap_int<(BITS <= 32 ? 32 : BITS <= 64 ? 64 : BITS <= 128 ? 128 : BITS)>;
#endif

template <int WIDTH_, bool SIGNED, int ZERO_POINT = 0> struct Integer {
  static const int BITS = WIDTH_;
  static const int WIDTH = WIDTH_ + (ZERO_POINT != 0 ? 2 : SIGNED ? 0 : 1);
  static ap_int<WIDTH> decode(ap_uint<BITS> code) {
#pragma HLS INLINE
    if (SIGNED) return ap_int<WIDTH>(ap_int<WIDTH>(ap_int<BITS>(code)) - ZERO_POINT);
    return ap_int<WIDTH>(ap_int<WIDTH + 1>(code) - ZERO_POINT);
  }
};

template <int EXPONENT_BITS, int SIGNIFICAND_BITS, bool SIGNED> struct Minifloat {
  static const int EXPONENT = EXPONENT_BITS;
  static const int SIGNIFICAND = SIGNIFICAND_BITS;
  static const bool IS_SIGNED = SIGNED;
  static const int BITS = SIGNED + EXPONENT_BITS + SIGNIFICAND_BITS;
  static const int SHIFTS = (1 << EXPONENT_BITS) - 2;  // largest left shift of the significand
  static const int WIDTH = SIGNIFICAND_BITS + 2 + (SHIFTS > 0 ? SHIFTS : 0);
  static ap_int<WIDTH> decode(ap_uint<BITS> code) {
#pragma HLS INLINE
    const int exponent = (int(code) >> SIGNIFICAND_BITS) & ((1 << EXPONENT_BITS) - 1);
    const int fraction = int(code) & ((1 << SIGNIFICAND_BITS) - 1);
    const ap_int<WIDTH> significand = exponent ? fraction + (1 << SIGNIFICAND_BITS) : fraction;
    const ap_int<WIDTH> magnitude = exponent > 1 ? ap_int<WIDTH>(significand << (exponent - 1)) : significand;
    return SIGNED && (int(code) >> (BITS - 1)) ? ap_int<WIDTH>(-magnitude) : magnitude;
  }
};

// Table is a struct with `static const WIDTH-bit type values[1 << BITS]`, one entry a code.
template <int BITS_, int WIDTH_, class Table> struct TableFormat {
  static const int BITS = BITS_;
  static const int WIDTH = WIDTH_;
  static ap_int<WIDTH> decode(ap_uint<BITS> code) {
#pragma HLS INLINE
    return ap_int<WIDTH>(Table::value(int(code)));
  }
};

}  // namespace pyqkit
