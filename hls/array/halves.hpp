// Family microscopiq whose halves of outliers stay apart up to their products: an upper half has the hidden one, and what its lower half
// makes in another column is added to it by a network, a crossbar for each eight columns of a row, or one of NETWORKS butterflies that
// all rows share. Rows whose micro-blocks have outliers take turns there.
#pragma once
#include "array/blocks.hpp"
#include "array/tile.hpp"

namespace pyqkit {
namespace array {

// NETWORKS is 0 for crossbars.
template <int SUM_, int TABLES, int NETWORKS> struct Halves {
  static const int LANES = BLOCK_LANES, SUM = SUM_;
  typedef int Mode;  // bits of a slot: 2 or 4
  typedef typename Blocks<SUM_, TABLES>::Number Number;
  struct Weight {
    ap_uint<3> magnitude[LANES];
    ap_uint<1> negative[LANES];
    ap_uint<BLOCK_EXPONENT> exponent[LANES];
    BlockSlot::Side sides[LANES];  // of the whole micro-block
  };
  Blocks<SUM_, TABLES> merged;  // numbers are the same
  NoTable tables[2][TABLES];
  int bits;

  template <class Run> void choose(Mode mode, const Run &run) {
#pragma HLS INLINE
    bits = mode;
    merged.choose(mode, run);
  }
  Number number(const ShiftedSlot &slot) const {
#pragma HLS INLINE
    return merged.number(slot);
  }
  bool there(const BlockSlot::Side &side, int pair) const {
#pragma HLS INLINE
    const int both = side.pairs[pair];
    return side.flag && (both & 7) != both >> 3;
  }
  Weight weight(const BlockSlot &slot) const {
#pragma HLS INLINE
    const int half = bits >> 1;
    Weight weight;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      const BlockSlot::Side &side = slot.sides[lane];
      const int code = bits == ELEMENT ? int(slot.elements[slot.place])
                                       : (int(slot.elements[slot.place]) >> (2 * lane)) & 3;
      bool upper = false, lower = false;
      for (int pair = 0; pair < OUTLIERS; ++pair) {
#pragma HLS UNROLL
        const int both = side.pairs[pair];
        upper = upper || (there(side, pair) && (both & 7) == slot.place);
        lower = lower || (there(side, pair) && both >> 3 == slot.place);
      }
      const int low = code & ((1 << half) - 1), whole = code & ((1 << (bits - 1)) - 1);
      weight.magnitude[lane] = upper ? 1 << half | low : lower ? low : whole;
      weight.negative[lane] = code >> (bits - 1);
      weight.exponent[lane] = upper || lower ? side.exponent : slot.exponent;
      weight.sides[lane] = side;
    }
    return weight;
  }
  int lanes() const {
#pragma HLS INLINE
    return bits == ELEMENT ? 1 : LANES;
  }
  bool asks(const Weight &weight) const {
#pragma HLS INLINE
    return weight.sides[0].flag || (lanes() > 1 && weight.sides[1].flag);
  }
  int product(const Number &number, const Weight &weight, int lane) const {
#pragma HLS INLINE
    const int product = int(number.magnitude) * int(weight.magnitude[lane]);
    const int shifted = product << (int(number.shift) + int(weight.exponent[lane]));
    return weight.negative[lane] != number.negative ? -shifted : shifted;
  }
  // What eight columns of a row add to their sums, of the products of their halves.
  void merge(const BlockSlot::Side &side, const int (&products)[MICRO], int (&terms)[MICRO]) const {
#pragma HLS INLINE
    int scale[MICRO];
    for (int place = 0; place < MICRO; ++place) {
#pragma HLS UNROLL
      scale[place] = 1;
    }
    for (int pair = 0; pair < OUTLIERS; ++pair) {
#pragma HLS UNROLL
      if (there(side, pair)) {
        scale[int(side.pairs[pair]) & 7] = 1 << (bits >> 1);
        scale[int(side.pairs[pair]) >> 3] = 0;
      }
    }
    for (int place = 0; place < MICRO; ++place) {
#pragma HLS UNROLL
      terms[place] = products[place] * scale[place];
    }
    if (NETWORKS > 0) {
      route(side, products, terms);
    } else {
      for (int pair = 0; pair < OUTLIERS; ++pair) {
#pragma HLS UNROLL
        const int both = side.pairs[pair];
        if (there(side, pair)) terms[both & 7] += products[both >> 3];
      }
    }
  }

 private:
  // Level k joins each column to the one whose number differs in bit k. What has crossed crosses again until it has arrived.
  void route(const BlockSlot::Side &side, const int (&products)[MICRO], int (&terms)[MICRO]) const {
#pragma HLS INLINE
    int foreign[MICRO];
    for (int place = 0; place < MICRO; ++place) {
#pragma HLS UNROLL
      foreign[place] = 0;
    }
    for (int level = 1; level < MICRO; level *= 2) {
#pragma HLS UNROLL
      int crossed[MICRO];
      for (int place = 0; place < MICRO; ++place) {
#pragma HLS UNROLL
        crossed[place] = 0;
      }
      for (int pair = 0; pair < OUTLIERS; ++pair) {
#pragma HLS UNROLL
        const int upper = int(side.pairs[pair]) & 7, lower = int(side.pairs[pair]) >> 3, way = upper ^ lower;
        if (there(side, pair) && (way & level)) {
          const int at = lower ^ (way & (level - 1));
          const int given = way & (level - 1) ? foreign[at] : products[at];
          if (way >= 2 * level)
            crossed[at ^ level] = given;
          else
            terms[at ^ level] += given;
        }
      }
      for (int place = 0; place < MICRO; ++place) {
#pragma HLS UNROLL
        foreign[place] = crossed[place];
      }
    }
  }
};

// Terms of rows stay until all rows have theirs.
template <int SUM, int TABLES, int NETWORKS, int ROWS, int COLUMNS>
struct Tile<Halves<SUM, TABLES, NETWORKS>, ROWS, COLUMNS>
    : Standing<Halves<SUM, TABLES, NETWORKS>, ROWS, COLUMNS> {
  typedef Halves<SUM, TABLES, NETWORKS> Family;
  static constexpr int LANES = Family::LANES, GROUPS = COLUMNS / MICRO;
  int terms[ROWS][COLUMNS][LANES];
  bool done[GROUPS][ROWS];
  Tile() {
#pragma HLS ARRAY_PARTITION variable = terms complete dim = 0
#pragma HLS ARRAY_PARTITION variable = done complete dim = 0
    for (int group = 0; group < GROUPS; ++group) {
#pragma HLS UNROLL
      for (int row = 0; row < ROWS; ++row) {
#pragma HLS UNROLL
        done[group][row] = false;
      }
    }
  }
  bool serve(const Family &family, const typename Family::Number (&numbers)[ROWS]) {
#pragma HLS INLINE
    bool all = true;
    for (int group = 0; group < GROUPS; ++group) {
#pragma HLS UNROLL
      int served = 0;
      for (int row = 0; row < ROWS; ++row) {
#pragma HLS UNROLL
        const bool asks = family.asks(this->now[row][group * MICRO]);
        if (!asks || (!done[group][row] && (NETWORKS == 0 || served < NETWORKS))) {
          merge(family, numbers[row], row, group);
          done[group][row] = true;
          served += asks;
        }
        all = all && done[group][row];
      }
    }
    for (int group = 0; group < GROUPS; ++group) {
#pragma HLS UNROLL
      for (int row = 0; row < ROWS; ++row) {
#pragma HLS UNROLL
        if (all) done[group][row] = false;
      }
    }
    return all;
  }
  void multiply(const Family &, const typename Family::Number (&)[ROWS], int column,
                Exact<SUM> (&sums)[LANES]) const {
#pragma HLS INLINE
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      sums[lane] = 0;
      for (int row = 0; row < ROWS; ++row) {
#pragma HLS UNROLL
        sums[lane] += Exact<SUM>(terms[row][column][lane]);
      }
    }
  }

 private:
  void merge(const Family &family, const typename Family::Number &number, int row, int group) {
#pragma HLS INLINE
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      int products[MICRO], merged[MICRO];
      for (int place = 0; place < MICRO; ++place) {
#pragma HLS UNROLL
        products[place] = family.product(number, this->now[row][group * MICRO + place], lane);
      }
      family.merge(this->now[row][group * MICRO].sides[lane], products, merged);
      for (int place = 0; place < MICRO; ++place) {
#pragma HLS UNROLL
        terms[row][group * MICRO + place][lane] = lane < family.lanes() ? merged[place] : 0;
      }
    }
  }
};

}  // namespace array
}  // namespace pyqkit
