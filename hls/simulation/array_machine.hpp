// A small machine for the benches of the array's blocks: a family that multiplies bytes in two lanes, so that rows, columns and lanes
// can be told apart, and instructions whose fields are 16 bits each.
#pragma once
#include "array/fill.hpp"
#include "array/memory.hpp"
#include "formats.hpp"
#include "simulation/test_bench.hpp"

static unsigned long long drawn_state = 1;
inline int drawn(int below) {
  drawn_state = drawn_state * 6364136223846793005ull + 1442695040888963407ull;
  return int((drawn_state >> 33) % below);
}
inline int between(int least, int most) { return least + drawn(most - least + 1); }

struct ByteTable {
  static constexpr int PER_ITEM = 8;
  int entries[256];
  static int trips(int items) { return items * PER_ITEM; }
  void put(int index, ap_uint<64> entry) { entries[index] = int(entry) & 255; }
};

// Of a byte, in mode 1 twice as much.
struct Bytes {
  static const int LANES = 2, SUM = 24;
  typedef int Number, Weight, Mode;
  ByteTable tables[2][2];
  int times, number_table, weight_table;
  Bytes() {
    for (auto &side : tables)
      for (auto &table : side)
        for (int i = 0; i < 256; ++i) table.entries[i] = (&table - side) * 5 + i;
  }
  template <class Run> void choose(int mode, const Run &run) {
    times = mode + 1 + 2 * run.weight_high + 4 * run.activation_high;
    number_table = run.activation_table, weight_table = run.weight_table;
  }
  Number number(ap_uint<8> code) const { return tables[0][number_table].entries[int(code)]; }
  Weight weight(ap_uint<8> slot) const { return tables[1][weight_table].entries[int(slot)] - 7; }
  void add(pyqkit::Exact<SUM> (&sums)[LANES], Number number, Weight weight) const {
    sums[0] += times * number * weight;
    sums[1] += number - times * weight;
  }
};

static const int WORD = 512;  // bits of an instruction

// Instructions: integers behind one another, and so they are read.
template <class T> T fields_of(const ap_uint<WORD> &word) {
  T fields;
  int *field = (int *)&fields;
  for (unsigned i = 0; i < sizeof(T) / sizeof(int); ++i)
    field[i] = int(ap_int<16>(ap_uint<16>(word.range(16 * i + 31, 16 * i + 16))));
  return fields;
}

struct Small {
  static const int ROWS = 4, COLUMNS = 3, STREAM = 64, WORD = ::WORD, KIND = 3, SERVED = 2, PROCESSORS = 2;
  static const int MULTIPLIER = 16, OFFSET = 48, LANE = 24, ADDRESS = 6, LANES = 2;
  enum { END, REPEAT, LOAD, FILL, RUN, POST, STORE, COPY };
  enum { PROGRAM, TABLES, PARAMETERS, WEIGHTS, ACTIVATIONS };
  enum { OF_ACTIVATIONS, OF_WEIGHTS, OF_BOUNDARIES, OF_CODES };
  struct Repeat {
    int first, count;
    static Repeat of(const ap_uint<WORD> &word) { return fields_of<Repeat>(word); }
  };
  struct Load {
    int memory, address, count;
    static Load of(const ap_uint<WORD> &word) { return fields_of<Load>(word); }
  };
  struct Fill {
    int table, choice, address, count;
    static Fill of(const ap_uint<WORD> &word) { return fields_of<Fill>(word); }
  };
  struct Run {
    int mode, activation_table, weight_table, weights, same, bank, accumulator, keep, spread, weight_high,
        activation_high, pad, base;
    int step_row, step_column, step_tap_y, step_tap_x, step_word, row, column, height, width;
    int rows, columns, taps_y, taps_x, words, stride_y, stride_x, dilation_y, dilation_x;
    static Run of(const ap_uint<WORD> &word) { return fields_of<Run>(word); }
  };
  struct Post {
    int mode, bank, accumulator, pitch, rows, columns, lanes, terms, maximum, raw, parameters, stages;
    int base, step_row, step_column, slot, plane, planes, code_bits, channels, last;
    static Post of(const ap_uint<WORD> &word) { return fields_of<Post>(word); }
  };
  struct Store {
    int address, count, last;
    static Store of(const ap_uint<WORD> &word) { return fields_of<Store>(word); }
  };
  struct Copy {
    int address, count, step, weights;
    static Copy of(const ap_uint<WORD> &word) { return fields_of<Copy>(word); }
  };
  typedef Bytes Family;
  typedef pyqkit::array::Items<16, WORD, STREAM> Program;
  typedef pyqkit::array::Items<320, 64, STREAM> Tables;
  typedef pyqkit::array::Items<30, COLUMNS *(MULTIPLIER + OFFSET), STREAM> Parameters;
  typedef pyqkit::array::Slots<200, COLUMNS, 1, STREAM> Weights;
  typedef pyqkit::array::Slots<64, ROWS, 4, STREAM> Activations;
  typedef pyqkit::array::Accumulators<100, COLUMNS, LANES, LANE> Accumulators;
  typedef pyqkit::array::Boundaries<PROCESSORS, OFFSET> Boundaries;
  typedef pyqkit::array::Codes<PROCESSORS> Codes;
  static int mode(int index) { return index; }
  static int lane_bits(int index) { return index ? 20 : 24; }
};

// Random content.
inline void draw(Small::Parameters &memory) {
  for (auto &item : memory.words)
    for (auto &word : item) word = ((unsigned long long)drawn(1 << 30) << 34) ^ drawn(1 << 30);
}
template <class Memory> void draw(Memory &memory) {
  for (auto &item : memory.planes)
    for (auto &slot : item)
      for (auto &plane : slot) plane = drawn(256);
}
inline void draw(Small::Accumulators &memory) {
  for (auto &bank : memory.sums)
    for (auto &item : bank)
      for (auto &column : item)
        for (auto &lane : column) lane = drawn(1 << 24) - (1 << 23);
}
// Signed numbers of so many bits.
inline long long wrapped(long long value, int bits) {
  return (long long)((unsigned long long)value << (64 - bits)) >> (64 - bits);
}
