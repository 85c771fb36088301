// How a network is put together: words, streams and processes, the same text for Vitis HLS and for C simulation.
//
// In synthesis PYQKIT_PROCESS is the plain call inside a DATAFLOW region, once a frame. In simulation it is a fiber that calls
// the function once for each of `frames` frames.
#pragma once
#include <ap_int.h>
#include <hls_stream.h>

#ifndef __SYNTHESIS__
#include <vector>
#endif

namespace pyqkit {

// LANES codes (or accumulators) that travel together, lane 0 first in the order of the tensor.
template <class T, int LANES> struct Word {
  T lane[LANES];
};

}  // namespace pyqkit

#define PYQKIT_PRAGMA_TEXT(text) _Pragma(#text)
#define PYQKIT_PRAGMA(text) PYQKIT_PRAGMA_TEXT(text)

#ifdef __SYNTHESIS__
// AGGREGATE packs the lanes bit by bit, so that a FIFO is as wide as its codes.
#define PYQKIT_STREAM(type, name, words)                  \
  hls::stream<type> name(#name);                          \
  PYQKIT_PRAGMA(HLS STREAM variable = name depth = words) \
  PYQKIT_PRAGMA(HLS AGGREGATE variable = name compact = bit)
#define PYQKIT_PROCESS(name, ...) __VA_ARGS__
#else
#define PYQKIT_STREAM(type, name, words) hls::stream<type> name(#name, words)
#define PYQKIT_PROCESS(name, ...)                     \
  simulation::Scheduler::instance().add(name, [&]() { \
    for (int frame = 0; frame < frames; ++frame) {    \
      __VA_ARGS__;                                    \
    }                                                 \
  })
#endif
