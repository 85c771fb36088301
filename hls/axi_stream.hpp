// The two ends of an accelerator: AXI4-Stream beats of a whole number of bytes, LANES codes a beat, lane 0 in the lowest bits,
// zero-padded; TLAST is set on the last beat of every frame.
#pragma once
#include "dataflow.hpp"

#ifdef __SYNTHESIS__
#include <ap_axi_sdata.h>
#endif

namespace pyqkit {

#ifdef __SYNTHESIS__
// Vitis HLS has a TLAST only for its own type; a struct of ours would become one wide TDATA.
template <int BYTES> using Beat = ap_axiu<8 * BYTES, 0, 0, 0>;
#else
template <int BYTES> struct Beat {
  ap_uint<8 * BYTES> data;
  ap_uint<1> last;
};
#endif

template <int BITS, int BEATS, int LANES, int BYTES>
void from_axi(hls::stream<Beat<BYTES>> &in, hls::stream<Word<ap_uint<BITS>, LANES>> &out) {
  static_assert(BITS * LANES <= 8 * BYTES, "the codes fit a beat");
  static constexpr int TRIPS = BEATS;
  PYQKIT_TRIPS(TRIPS);
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Beat<BYTES> beat = in.read();
    Word<ap_uint<BITS>, LANES> word;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      word.lane[lane] = ap_uint<BITS>(beat.data >> (lane * BITS));
    }
    out.write(word);
  }
}

template <int BITS, int BEATS, int LANES, int BYTES>
void to_axi(hls::stream<Word<ap_uint<BITS>, LANES>> &in, hls::stream<Beat<BYTES>> &out) {
  static_assert(BITS * LANES <= 8 * BYTES, "the codes fit a beat");
  static constexpr int TRIPS = BEATS;
  PYQKIT_TRIPS(TRIPS);
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<BITS>, LANES> word = in.read();
    Beat<BYTES> beat;
    beat.data = 0;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      beat.data |= ap_uint<8 * BYTES>(ap_uint<8 * BYTES>(word.lane[lane]) << (lane * BITS));
    }
    beat.last = trip == BEATS - 1;
#ifdef __SYNTHESIS__
    beat.keep = beat.strb = -1;  // beats are always whole
#endif
    out.write(beat);
  }
}

}  // namespace pyqkit
