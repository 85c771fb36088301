// Family lp of the array: up to four weights of a slot against one activation. Logarithms add and leave the logarithmic domain through
// Significands::value(fraction), 2**f in units of 2**-7, the table that is part of the formats' definition.
//
// A family is a struct with
//   LANES, SUM               outputs of a slot, and bits of a sum
//   Number, Weight           what activations and slots of weights are decoded to
//   Mode, choose(mode, run)  how the tiles of a RUN are multiplied, and by which tables
//   number(code), weight(slot), add(sums, number, weight)      of what its memories of activations and weights give
//   tables[2][TABLES]        what FILL fills: those of activations, those of weights
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

// Numbers by code.
struct LogTable {
  static constexpr int PER_ITEM = 4;
  ap_uint<LOG + 2> entries[256];
  LogTable() {
#pragma HLS BIND_STORAGE variable = entries type = ram_s2p impl = lutram
  }
  static int trips(int items) {
#pragma HLS INLINE
    return items * PER_ITEM;
  }
  void put(int index, ap_uint<64> entry) {
#pragma HLS INLINE
    entries[index] = int(entry) & ((1 << (LOG + 2)) - 1);
  }
};

// Of a slot of activations the lowest CODE bits are a code.
template <class Significands, int SUM_, int TABLES, int CODE = 8> struct Logarithms {
  static const int LANES = 4, SUM = SUM_;
  typedef int Mode;  // bits of a weight: 2, 4 or 8
  typedef LogNumber Number;
  // Two units multiply; of weights of two bits, which are 0, 1 and -1, all lanes take what the first one makes.
  struct Weight {
    ap_uint<LOG> log[2];
    ap_uint<1> there[LANES];
    ap_uint<1> negative[LANES];
  };
  LogTable tables[2][TABLES];
  int activation_table, weight_table;
  Mode bits;
  Logarithms() {
#pragma HLS ARRAY_PARTITION variable = tables complete dim = 1
  }

  template <class Run> void choose(Mode mode, const Run &run) {
#pragma HLS INLINE
    bits = mode;
    activation_table = run.activation_table;
    weight_table = run.weight_table;
  }
  Number number(ap_uint<8> code) const {
#pragma HLS INLINE
    return LogNumber::of(tables[0][activation_table].entries[int(code) & ((1 << CODE) - 1)]);
  }
  Weight weight(ap_uint<8> slot) const {
#pragma HLS INLINE
    const int low = bits == 4 ? int(slot) & 15 : int(slot);
    const LogNumber first = LogNumber::of(tables[1][weight_table].entries[low]);
    const LogNumber second = LogNumber::of(tables[1][weight_table].entries[int(slot) >> 4]);
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
