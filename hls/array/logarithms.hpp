// Family lp of the array: up to four weights of a slot against one activation. Logarithms add and leave the logarithmic domain through
// Significands::value(fraction), 2**f in units of 2**-7, the table that is part of the formats' definition.
//
// A family is a struct with
//   LANES, SUM               outputs of a slot, and bits of a sum
//   Number, Weight           what activations and slots of weights are decoded to
//   number(code), weight(slot), add(sums, number, weight)
#pragma once
#include "formats.hpp"

namespace pyqkit {
namespace array {

static const int LOG = 11, LOG_FRACTION = 6;  // bits of a logarithm, and those of them behind the point

// An entry of a table: the logarithm, from the lowest bit on, then whether the number is negative, and whether it is zero.
struct LogNumber {
  ap_uint<LOG> log;
  ap_uint<1> negative;
  ap_uint<1> zero;
  static LogNumber of(ap_uint<LOG + 2> entry) {
#pragma HLS INLINE
    LogNumber number;
    number.log = int(entry) & ((1 << LOG) - 1);
    number.negative = (int(entry) >> LOG) & 1;
    number.zero = (int(entry) >> (LOG + 1)) & 1;
    return number;
  }
};

template <class Significands, int SUM_> struct Logarithms {
  static const int LANES = 4, SUM = SUM_;
  typedef LogNumber Number;
  // Two units multiply; of weights of two bits, which are 0, 1 and -1, all lanes take what the first one makes.
  struct Weight {
    ap_uint<LOG> log[2];
    ap_uint<1> there[LANES];
    ap_uint<1> negative[LANES];
  };
  ap_uint<LOG + 2> activations[256], weights[256];  // tables, by code
  int bits;                                         // of a weight: 2, 4 or 8

  Number number(ap_uint<8> code) const {
#pragma HLS INLINE
    return LogNumber::of(activations[int(code)]);
  }
  Weight weight(ap_uint<8> slot) const {
#pragma HLS INLINE
    const int low = bits == 4 ? int(slot) & 15 : int(slot);
    const LogNumber first = LogNumber::of(weights[low]), second = LogNumber::of(weights[int(slot) >> 4]);
    Weight weight;
    weight.log[0] = bits == 2 ? ap_uint<LOG>(0) : first.log;
    weight.log[1] = second.log;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      const int pair = int(slot) >> (2 * lane);
      const bool other = lane == 0 ? !first.zero : lane == 1 && bits == 4 && !second.zero;
      weight.there[lane] = bits == 2 ? pair & 1 : int(other);
      weight.negative[lane] = bits == 2 ? (pair >> 1) & 1 : int(lane ? second.negative : first.negative);
    }
    return weight;
  }
  static Exact<SUM> power(int log) {
#pragma HLS INLINE
    const int fraction = log & ((1 << LOG_FRACTION) - 1);
    return Exact<SUM>(Exact<SUM>(Significands::value(fraction)) << (log >> LOG_FRACTION));
  }
  void add(Exact<SUM> (&sums)[LANES], const Number &number, const Weight &weight) const {
#pragma HLS INLINE
    const Exact<SUM> first = power(int(number.log) + int(weight.log[0]));
    const Exact<SUM> second = power(int(number.log) + int(weight.log[1]));
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      const Exact<SUM> magnitude = lane == 0 || bits == 2 ? first : second;
      const bool minus = weight.negative[lane] != number.negative;
      if (weight.there[lane] && !number.zero) sums[lane] += minus ? Exact<SUM>(-magnitude) : magnitude;
    }
  }
};

}  // namespace array
}  // namespace pyqkit
