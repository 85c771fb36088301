// Memories of the family microscopiq: weights in micro-blocks of eight columns, and activations that share an exponent in a word.
#pragma once
#include "array/memory.hpp"

namespace pyqkit {
namespace array {

static const int MICRO = 8;           // columns of a micro-block
static const int ELEMENT = 4;         // bits of a column: one slot, or two of two bits
static const int OUTLIERS = 4;        // of a micro-block of a lane, at most
static const int BLOCK_LANES = 2;     // at most
static const int BLOCK_EXPONENT = 3;  // bits, above the lowest of a layer

// What a column sees of an item of weights: all of its micro-block.
struct BlockSlot {
  // Of a lane. A pair is the place of an upper half and, above it, that of its lower one; equal places say nothing.
  struct Side {
    ap_uint<1> flag;
    ap_uint<BLOCK_EXPONENT> exponent;  // of the outliers, at their last bit
    ap_uint<6> pairs[OUTLIERS];
  };
  int place;
  ap_uint<ELEMENT> elements[MICRO];
  Side sides[BLOCK_LANES];
  ap_uint<BLOCK_EXPONENT> exponent;  // of the row's inliers
};

// From the lowest bit on an item has the elements of all columns; for each micro-block the sides of both lanes; the row's exponent.
template <int ITEMS, int COLUMNS, int STREAM>
struct BlockItems
    : Items<ITEMS, ELEMENT * COLUMNS + BLOCK_LANES * (4 + 6 * OUTLIERS) * (COLUMNS / MICRO) + BLOCK_EXPONENT,
            STREAM> {
  static_assert(COLUMNS % MICRO == 0, "columns are whole micro-blocks");
  static constexpr int SIDE = 1 + BLOCK_EXPONENT + 6 * OUTLIERS;
  static constexpr int SIDES = ELEMENT * COLUMNS, ROW = SIDES + BLOCK_LANES * SIDE * (COLUMNS / MICRO);
  BlockSlot slot(int item, int column) const {
#pragma HLS INLINE
    const auto whole = this->item(item);
    const int micro = column >> 3;
    BlockSlot found;
    found.place = column & (MICRO - 1);
    for (int place = 0; place < MICRO; ++place) {
#pragma HLS UNROLL
      const int low = ELEMENT * (micro * MICRO + place);
      found.elements[place] = whole.range(low + ELEMENT - 1, low);
    }
    for (int lane = 0; lane < BLOCK_LANES; ++lane) {
#pragma HLS UNROLL
      const int low = SIDES + SIDE * (BLOCK_LANES * micro + lane);
      found.sides[lane].flag = whole.range(low, low);
      found.sides[lane].exponent = whole.range(low + BLOCK_EXPONENT, low + 1);
      for (int pair = 0; pair < OUTLIERS; ++pair) {
#pragma HLS UNROLL
        const int first = low + 1 + BLOCK_EXPONENT + 6 * pair;
        found.sides[lane].pairs[pair] = whole.range(first + 5, first);
      }
    }
    found.exponent = whole.range(ROW + BLOCK_EXPONENT - 1, ROW);
    return found;
  }
};

// A slot of activations, and the power of two of its word.
struct ShiftedSlot {
  ap_uint<8> code;
  ap_uint<BLOCK_EXPONENT> shift;
};

// Slots as those of Slots, and behind those of a word the power of two by which all of them are multiplied.
template <int ITEMS, int SLOTS, int PLANES, int STREAM>
struct ShiftedSlots : Slots<ITEMS, SLOTS, PLANES, STREAM> {
  typedef ShiftedSlot Slot;
  typedef pyqkit::array::Slots<ITEMS, SLOTS, PLANES, STREAM> Codes;
  static constexpr int BEHIND = 8 * SLOTS, LOW = BEHIND % STREAM;
  static constexpr int PARTS = (BEHIND + BLOCK_EXPONENT + STREAM - 1) / STREAM;
  ap_uint<BLOCK_EXPONENT> shifts[ITEMS];
  ShiftedSlots() {
#pragma HLS BIND_STORAGE variable = shifts type = ram_t2p impl = bram
  }
  static int trips(int items) {
#pragma HLS INLINE
    return items * PARTS;
  }
  Slot slot(int item, int at) const {
#pragma HLS INLINE
    Slot found;
    found.code = Codes::slot(item, at);
    found.shift = shifts[item];
    return found;
  }
  static Slot padded(ap_uint<8> pad) {
#pragma HLS INLINE
    Slot found;
    found.code = pad;
    found.shift = int(pad) & ((1 << BLOCK_EXPONENT) - 1);
    return found;
  }
  void unshift(int item) {
#pragma HLS INLINE
    shifts[item] = 0;
  }
  void put(int item, int part, const ap_uint<STREAM> &word) {
#pragma HLS INLINE
    Codes::put(item, part, word);
    if (part == BEHIND / STREAM) shifts[item] = word.range(LOW + BLOCK_EXPONENT - 1, LOW);
  }
  ap_uint<STREAM> word(int item, int part) const {
#pragma HLS INLINE
    ap_uint<STREAM> whole = Codes::word(item, part);
    if (part == BEHIND / STREAM) whole.range(LOW + BLOCK_EXPONENT - 1, LOW) = shifts[item];
    return whole;
  }
};

}  // namespace array
}  // namespace pyqkit
