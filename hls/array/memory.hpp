// Memories of an array. Items come in words of STREAM bits, the lowest first; part p of an item is the word p of them.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {
namespace array {

// ITEMS items of BITS bits, kept as the words in which they come.
template <int ITEMS, int BITS, int STREAM> struct Items {
  static constexpr int PARTS = (BITS + STREAM - 1) / STREAM;
  ap_uint<STREAM> words[ITEMS][PARTS];
  Items() {
#pragma HLS ARRAY_PARTITION variable = words complete dim = 2
#pragma HLS BIND_STORAGE variable = words type = ram_s2p impl = bram
  }
  static int trips(int items) {
#pragma HLS INLINE
    return items * PARTS;
  }
  void put(int item, int part, const ap_uint<STREAM> &word) {
#pragma HLS INLINE
    words[item][part] = word;
  }
  ap_uint<PARTS * STREAM> item(int at) const {
#pragma HLS INLINE
    ap_uint<PARTS * STREAM> whole = 0;
    for (int part = 0; part < PARTS; ++part) {
#pragma HLS UNROLL
      for (int low = 0; low < STREAM; low += 64) {
#pragma HLS UNROLL
        whole.range(part * STREAM + low + 63, part * STREAM + low) = words[at][part].range(low + 63, low);
      }
    }
    return whole;
  }
};

// ITEMS items of SLOTS slots of a byte, each of PLANES planes that are written apart.
template <int ITEMS, int SLOTS, int PLANES, int STREAM> struct Slots {
  typedef ap_uint<8> Slot;  // what an element takes of it
  static constexpr int BITS = 8 / PLANES, PARTS = (8 * SLOTS + STREAM - 1) / STREAM;
  ap_uint<BITS> planes[ITEMS][SLOTS][PLANES];
  Slots() {
#pragma HLS ARRAY_PARTITION variable = planes complete dim = 2
#pragma HLS ARRAY_PARTITION variable = planes complete dim = 3
#pragma HLS BIND_STORAGE variable = planes type = ram_s2p impl = bram
  }
  static int trips(int items) {
#pragma HLS INLINE
    return items * PARTS;
  }
  ap_uint<8> slot(int item, int slot) const {
#pragma HLS INLINE
    int whole = 0;
    for (int plane = 0; plane < PLANES; ++plane) {
#pragma HLS UNROLL
      whole |= int(planes[item][slot][plane]) << (plane * BITS);
    }
    return whole;
  }
  // What stands outside a tensor.
  static Slot padded(ap_uint<8> pad) {
#pragma HLS INLINE
    return pad;
  }
  // Codes were put that count once; here all do.
  void unshift(int) {
#pragma HLS INLINE
  }
  // A code of `bits` bits from bit `low` of the slot on; the others stay.
  void put_code(int item, int slot, int low, int bits, int code) {
#pragma HLS INLINE
    for (int plane = 0; plane < PLANES; ++plane) {
#pragma HLS UNROLL
      const int from = plane * BITS - low;
      if (from >= 0 && from < bits) planes[item][slot][plane] = ap_uint<BITS>(code >> from);
    }
  }
  void put(int item, int part, const ap_uint<STREAM> &word) {
#pragma HLS INLINE
    for (int slot = 0; slot < SLOTS; ++slot) {
#pragma HLS UNROLL
      const int low = 8 * slot % STREAM;
      if (8 * slot / STREAM == part) put_code(item, slot, 0, 8, int(word.range(low + 7, low)));
    }
  }
  // Part `part` of an item, as a word of the stream.
  ap_uint<STREAM> word(int item, int part) const {
#pragma HLS INLINE
    ap_uint<STREAM> whole = 0;
    for (int at = 0; at < SLOTS; ++at) {
#pragma HLS UNROLL
      const int low = 8 * at % STREAM;
      if (8 * at / STREAM == part) whole.range(low + 7, low) = slot(item, at);
    }
    return whole;
  }
};

// Sums of LANES lanes of BITS bits in each column, in two banks. A mode says how many bits a lane has; sums wrap there.
template <int ITEMS, int COLUMNS, int LANES, int BITS> struct Accumulators {
  ap_int<BITS> sums[2][ITEMS][COLUMNS][LANES];
  Accumulators() {
#pragma HLS ARRAY_PARTITION variable = sums complete dim = 1
#pragma HLS ARRAY_PARTITION variable = sums complete dim = 3
#pragma HLS ARRAY_PARTITION variable = sums complete dim = 4
#pragma HLS BIND_STORAGE variable = sums type = ram_s2p impl = bram
  }
  ap_int<BITS> sum(int bank, int at, int column, int lane) const {
#pragma HLS INLINE
    return sums[bank][at][column][lane];
  }
  void add(int bank, int at, int column, int lane, bool replace, ap_int<64> term, int lane_bits) {
#pragma HLS INLINE
    const ap_int<64> before = replace ? ap_int<BITS>(0) : sums[bank][at][column][lane];
    const ap_uint<64> up = ap_uint<64>(before + term) << (64 - lane_bits);
    sums[bank][at][column][lane] = ap_int<BITS>(ap_int<64>(ap_int<64>(up) >> (64 - lane_bits)));
  }
};

}  // namespace array
}  // namespace pyqkit
