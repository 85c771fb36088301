// FILL: items of the table memory to a table, an entry a trip.
#pragma once
#include "array/memory.hpp"

namespace pyqkit {
namespace array {

// Table: PER_ITEM entries of an item, trips(items), put(index, entry).
template <class Memory, class Table> void fill(const Memory &memory, int address, int count, Table &table) {
  const int TRIPS = Table::trips(count);
  PYQKIT_TRIPS(TRIPS);
  Counter<Table::PER_ITEM> within;
  int item = address;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const ap_uint<64> entries = memory.words[item][0];
    table.put(trip, ap_uint<64>(entries >> (int(within.at) * (64 / Table::PER_ITEM))));
    if (within.step()) ++item;
  }
}

// Boundaries of a search in eight steps, for PROCESSORS at once: step s compares with the one whose number plus 1 has 7 - s zeros
// behind its lowest 1, and so is among 2**s of them, in a memory of their own.
template <int PROCESSORS, int BITS> struct Boundaries {
  static constexpr int PER_ITEM = 1, STEPS = 8;
  ap_int<BITS> values[PROCESSORS][STEPS][1 << (STEPS - 1)];
  Boundaries() {
#pragma HLS ARRAY_PARTITION variable = values complete dim = 1
#pragma HLS ARRAY_PARTITION variable = values complete dim = 2
#pragma HLS BIND_STORAGE variable = values type = ram_s2p impl = lutram
  }
  static int trips(int items) {
#pragma HLS INLINE
    return items;
  }
  void put(int index, ap_uint<64> entry) {
#pragma HLS INLINE
    for (int processor = 0; processor < PROCESSORS; ++processor) {
#pragma HLS UNROLL
      for (int step = 0; step < STEPS; ++step) {
#pragma HLS UNROLL
        const int lowest = 1 << (STEPS - 1 - step);
        if (((index + 1) & (2 * lowest - 1)) == lowest)
          values[processor][step][(index + 1) >> (STEPS - step)] = ap_int<BITS>(entry);
      }
    }
  }
  // How many of the first 2**stages - 1 are not above y.
  int passed(int processor, ap_int<BITS> y, int stages) const {
#pragma HLS INLINE
    int place = 0;
    for (int step = 0; step < STEPS; ++step) {
#pragma HLS UNROLL
      const bool reached = stages > STEPS - 1 - step && y >= values[processor][step][place];
      place = 2 * place + int(reached);
    }
    return place;
  }
};

// Codes by the number of boundaries.
template <int PROCESSORS> struct Codes {
  static constexpr int PER_ITEM = 8;
  ap_uint<8> codes[PROCESSORS][256];
  Codes() {
#pragma HLS ARRAY_PARTITION variable = codes complete dim = 1
#pragma HLS BIND_STORAGE variable = codes type = ram_s2p impl = lutram
  }
  static int trips(int items) {
#pragma HLS INLINE
    return items * PER_ITEM;
  }
  void put(int index, ap_uint<64> entry) {
#pragma HLS INLINE
    for (int processor = 0; processor < PROCESSORS; ++processor) {
#pragma HLS UNROLL
      codes[processor][index] = ap_uint<8>(int(entry) & 255);
    }
  }
};

}  // namespace array
}  // namespace pyqkit
