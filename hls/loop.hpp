// Where frames enter and leave hardware that they pass PASSES times. The way back is a FIFO of a frame.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {

// A frame of WORDS words from outside, in the later passes what comes back of it.
template <class T, int WORDS, int LANES>
void loop_entry(hls::stream<Word<T, LANES>> &in, hls::stream<Word<T, LANES>> &back,
                hls::stream<Word<T, LANES>> &out, int pass) {
  static constexpr int TRIPS = WORDS;
  PYQKIT_TRIPS(TRIPS);
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    out.write(pass == 0 ? in.read() : back.read());
  }
}

// The frame goes back, but for the last time.
template <class T, int WORDS, int LANES, int PASSES>
void loop_exit(hls::stream<Word<T, LANES>> &in, hls::stream<Word<T, LANES>> &back,
               hls::stream<Word<T, LANES>> &out, int pass) {
  static constexpr int TRIPS = WORDS;
  PYQKIT_TRIPS(TRIPS);
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<T, LANES> word = in.read();
    if (pass == PASSES - 1)
      out.write(word);
    else
      back.write(word);
  }
}

}  // namespace pyqkit
