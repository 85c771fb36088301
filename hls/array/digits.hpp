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
  static constexpr int PER_ITEM = 8;
  ap_uint<6> pairs[2][16];  // of the low and the high nibble: {higher digit, lower digit}
  DigitTable() {
#pragma HLS ARRAY_PARTITION variable = pairs complete dim = 1
#pragma HLS BIND_STORAGE variable = pairs type = ram_s2p impl = lutram
  }
  static int trips(int items) {
#pragma HLS INLINE
    return items * PER_ITEM;
  }
  void put(int index, ap_uint<64> entry) {
#pragma HLS INLINE
    pairs[(index >> 4) & 1][index & 15] = int(entry) & 63;
  }
};

// How slots of one side are read: by which table, and which digit each product takes.
struct DigitSide {
  int table, choice[PRODUCTS];
  bool high;  // the other nibble
  void choose(int which, const int (&digits)[PRODUCTS], bool other) {
#pragma HLS INLINE
    table = which;
    for (int i = 0; i < PRODUCTS; ++i) {
#pragma HLS UNROLL
      choice[i] = digits[i];
    }
    high = other;
  }
  template <int TABLES> DigitNumber number(const DigitTable (&tables)[TABLES], ap_uint<8> slot) const {
#pragma HLS INLINE
    const int low = int(tables[table].pairs[0][int(slot) & 15]);
    const int both = low | int(tables[table].pairs[1][int(slot) >> 4]) << 6;
    DigitNumber number;
    for (int i = 0; i < PRODUCTS; ++i) {
#pragma HLS UNROLL
      number.digit[i] = ap_int<3>(ap_uint<3>((both >> (3 * (choice[i] ^ (high ? 2 : 0)))) & 7));
    }
    return number;
  }
};

// Which digit each product takes, and what the products are worth.
struct DigitMode {
  int weights[PRODUCTS], activations[PRODUCTS], inner, outer;
};

template <int SUM_, int TABLES> struct Digits {
  static const int LANES = 1, SUM = SUM_;
  typedef DigitNumber Number;
  typedef DigitNumber Weight;
  typedef DigitMode Mode;
  DigitTable tables[2][TABLES];
  DigitSide activations, weights;
  int inner, outer;
  Digits() {
#pragma HLS ARRAY_PARTITION variable = tables complete dim = 1
  }

  template <class Run> void choose(const Mode &mode, const Run &run) {
#pragma HLS INLINE
    activations.choose(int(run.activation_table), mode.activations, run.activation_high);
    weights.choose(int(run.weight_table), mode.weights, run.weight_high);
    inner = mode.inner;
    outer = mode.outer;
  }
  Number number(ap_uint<8> code) const {
#pragma HLS INLINE
    return activations.number(tables[0], code);
  }
  Weight weight(ap_uint<8> slot) const {
#pragma HLS INLINE
    return weights.number(tables[1], slot);
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
