// How a network is put together: words, streams and processes, the same text for Vitis HLS and for C simulation.
//
// For Vitis HLS PYQKIT_PROCESS is the plain call inside a DATAFLOW region, once a frame. In our simulation (PYQKIT_SIMULATION) it
// is a fiber that calls the function once for each of `frames` frames. PYQKIT_PASSES_PROCESS is the same for what frames pass
// several times: its region is the body of a loop over `pass`, and the fiber has that loop of its own.
//
// A process schedules by inspection: it is one pipelined loop of TRIPS trips, each of which reads a word of an input at most,
// writes a word of an output at most, and unrolls whatever else it does. Places are counted, never divided.
// tools/check_hls.py holds every header to that. A pipeline whose input is empty goes on with what is in it (style = flp), so
// that what it has read comes out.
#pragma once
#include <ap_int.h>
#include <hls_stream.h>

#ifdef PYQKIT_SIMULATION
#include <cstdint>
#include <vector>
#endif

namespace pyqkit {

// A number from 0 to LIMIT: hardware keeps as many bits as that needs.
#ifndef PYQKIT_SIMULATION
constexpr int bits_of(int limit) { return limit < 2 ? 1 : 1 + bits_of(limit >> 1); }
template <int LIMIT> using Index = ap_uint<bits_of(LIMIT)>;
#else
template <int LIMIT> using Index = int;
#endif

// A number in a constant array: hardware has as many bits as the array needs, simulation a native type.
#ifndef PYQKIT_SIMULATION
template <int BITS, bool SIGNED> struct ConstantType {
  typedef ap_uint<BITS> type;
};
template <int BITS> struct ConstantType<BITS, true> {
  typedef ap_int<BITS> type;
};
#else
template <int BITS, bool SIGNED> struct ConstantType : ConstantType<BITS + 1, SIGNED> {};
template <> struct ConstantType<8, true> {
  typedef int8_t type;
};
template <> struct ConstantType<8, false> {
  typedef uint8_t type;
};
template <> struct ConstantType<16, true> {
  typedef int16_t type;
};
template <> struct ConstantType<16, false> {
  typedef uint16_t type;
};
template <> struct ConstantType<32, true> {
  typedef int32_t type;
};
template <> struct ConstantType<32, false> {
  typedef uint32_t type;
};
template <> struct ConstantType<64, true> {
  typedef int64_t type;
};
template <> struct ConstantType<64, false> {
  typedef uint64_t type;
};
#endif
template <int BITS, bool SIGNED> using Constant = typename ConstantType<BITS, SIGNED>::type;

// Counts 0, 1, ..., COUNT - 1 and starts again.
template <int COUNT> struct Counter {
  static_assert(COUNT > 0, "something is counted");
  Index<COUNT> at = 0;
  bool first() const {
#pragma HLS INLINE
    return at == 0;
  }
  bool last() const {
#pragma HLS INLINE
    return at == COUNT - 1;
  }
  // Counts one on, and says whether it starts again: `if (inner.step()) outer.step();` counts as nested loops do.
  bool step() {
#pragma HLS INLINE
    const bool again = last();
    at = again ? Index<COUNT>(0) : Index<COUNT>(at + 1);
    return again;
  }
};

// LANES codes (or accumulators) that travel together, lane 0 first in the order of the tensor.
template <class T, int LANES> struct Word {
  T lane[LANES];
};

// What comes out was put in LENGTH steps before: shift registers in hardware, a ring in simulation.
template <class T, int LENGTH> struct Delay {
#ifndef PYQKIT_SIMULATION
  T line[LENGTH];
  Delay() {
#pragma HLS ARRAY_PARTITION variable = line complete
  }
  T last() const {
#pragma HLS INLINE
    return line[LENGTH - 1];
  }
  void push(const T &value) {
#pragma HLS INLINE
    for (int i = LENGTH - 1; i > 0; --i) {
#pragma HLS UNROLL
      line[i] = line[i - 1];
    }
    line[0] = value;
  }
#else
  std::vector<T> ring = std::vector<T>(LENGTH);
  int at = 0;
  const T &last() const { return ring[at]; }
  void push(const T &value) {
    ring[at] = value;
    at = at + 1 == LENGTH ? 0 : at + 1;
  }
#endif
};

}  // namespace pyqkit

#define PYQKIT_PRAGMA_TEXT(text) _Pragma(#text)
#define PYQKIT_PRAGMA(text) PYQKIT_PRAGMA_TEXT(text)

#ifndef PYQKIT_SIMULATION
// AGGREGATE packs the lanes bit by bit, so that a FIFO is as wide as its codes.
#define PYQKIT_STREAM(type, name, words)                  \
  hls::stream<type> name(#name);                          \
  PYQKIT_PRAGMA(HLS STREAM variable = name depth = words) \
  PYQKIT_PRAGMA(HLS AGGREGATE variable = name compact = bit)
#define PYQKIT_PROCESS(name, ...) __VA_ARGS__
#define PYQKIT_PASSES_PROCESS(name, passes, ...) __VA_ARGS__
#define PYQKIT_TRIPS(trips)
#else
#define PYQKIT_STREAM(type, name, words) hls::stream<type> name(#name, words)
#define PYQKIT_PROCESS(name, ...)                     \
  simulation::Scheduler::instance().add(name, [&]() { \
    for (int frame = 0; frame < frames; ++frame) {    \
      __VA_ARGS__;                                    \
    }                                                 \
  })
#define PYQKIT_PASSES_PROCESS(name, passes, ...)              \
  simulation::Scheduler::instance().add(name, [&]() {         \
    for (int frame = 0; frame < frames; ++frame) {            \
      for (int pass = 0; pass < passes; ++pass) __VA_ARGS__;  \
      simulation::Scheduler::instance().count_passes(passes); \
    }                                                         \
  })
// Tells the simulation how many trips a frame takes.
#define PYQKIT_TRIPS(trips) simulation::Scheduler::instance().count_trips(trips)
#endif
