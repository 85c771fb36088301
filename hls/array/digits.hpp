// Family integer of the array: four products of digits of three bits, signed, which are summed. Each nibble of a slot is two digits by
// a table of its own, so that a format is data; a mode says which digit each product takes, and what the products are worth:
//   p0 + (p1 << 2 * inner) + ((p2 + (p3 << 2 * inner)) << 2 * outer), times 16 for each upper nibble
#pragma once
#include "formats.hpp"

namespace pyqkit {
namespace array {

static const int PRODUCTS = 4;

struct DigitNumber {
  ap_int<3> digit[PRODUCTS];
};

// Digits of one side.
struct DigitTable {
  ap_uint<6> pairs[2][16];  // of the low and the high nibble: {higher digit, lower digit}
  int choice[PRODUCTS];
  bool high;  // the other nibble
  DigitNumber number(ap_uint<8> slot) const {
#pragma HLS INLINE
    const int both = int(pairs[0][int(slot) & 15]) | int(pairs[1][int(slot) >> 4]) << 6;
    DigitNumber number;
    for (int i = 0; i < PRODUCTS; ++i) {
#pragma HLS UNROLL
      number.digit[i] = ap_int<3>(ap_uint<3>((both >> (3 * (choice[i] ^ (high ? 2 : 0)))) & 7));
    }
    return number;
  }
};

template <int SUM_> struct Digits {
  static const int LANES = 1, SUM = SUM_;
  typedef DigitNumber Number;
  typedef DigitNumber Weight;
  DigitTable activations, weights;
  int inner, outer;

  Number number(ap_uint<8> code) const {
#pragma HLS INLINE
    return activations.number(code);
  }
  Weight weight(ap_uint<8> slot) const {
#pragma HLS INLINE
    return weights.number(slot);
  }
  void add(Exact<SUM> (&sums)[LANES], const Number &number, const Weight &weight) const {
#pragma HLS INLINE
    int product[PRODUCTS];
#pragma HLS ARRAY_PARTITION variable = product complete
    for (int i = 0; i < PRODUCTS; ++i) {
#pragma HLS UNROLL
      product[i] = int(number.digit[i]) * int(weight.digit[i]);
#pragma HLS BIND_OP variable = product op = mul impl = fabric
    }
    const int low = product[0] + product[1] * (1 << (2 * inner));
    const int upper = product[2] + product[3] * (1 << (2 * inner));
    const int once = low + upper * (1 << (2 * outer));
    sums[0] += Exact<SUM>(once * (1 << (4 * (int(weights.high) + int(activations.high)))));
  }
};

}  // namespace array
}  // namespace pyqkit
