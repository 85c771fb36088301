// The two ends of an accelerator: AXI4-Stream beats of a whole number of bytes, LANES codes a beat, lane 0 in the lowest bits,
// zero-padded. Packets are whole frames: where the last beat of a frame comes with TLAST, the last beat of its results leaves
// with TLAST. A stream of a bit a frame carries that around the network.
#pragma once
#include "dataflow.hpp"

#ifndef PYQKIT_SIMULATION
#include <ap_axi_sdata.h>
#endif

namespace pyqkit {

#ifndef PYQKIT_SIMULATION
// Vitis HLS has a TLAST only for its own type; a struct of ours would become one wide TDATA.
template <int BYTES> using Beat = ap_axiu<8 * BYTES, 0, 0, 0>;
#else
template <int BYTES> struct Beat {
  ap_uint<8 * BYTES> data;
  ap_uint<1> last;
};
#endif

template <int BITS> Beat<BITS / 8> beat_of(const ap_uint<BITS> &data, bool last) {
#pragma HLS INLINE
  Beat<BITS / 8> beat;
  beat.data = data;
  beat.last = last;
#ifndef PYQKIT_SIMULATION
  beat.keep = beat.strb = -1;  // beats are always whole
#endif
  return beat;
}

typedef Word<ap_uint<1>, 1> PacketEnd;  // whether a packet ends with a frame

template <int BITS, int LANES, int BYTES> Word<ap_uint<BITS>, LANES> unpacked(const Beat<BYTES> &beat) {
#pragma HLS INLINE
  static_assert(BITS * LANES <= 8 * BYTES, "the codes fit a beat");
  Word<ap_uint<BITS>, LANES> word;
  for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
    word.lane[lane] = beat.data.range(lane * BITS + BITS - 1, lane * BITS);
  }
  return word;
}

template <int BITS, int BEATS, int LANES, int BYTES>
void from_axi(hls::stream<Beat<BYTES>> &in, hls::stream<Word<ap_uint<BITS>, LANES>> &out,
              hls::stream<PacketEnd> &ends) {
  static constexpr int TRIPS = BEATS;
  PYQKIT_TRIPS(TRIPS);
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Beat<BYTES> beat = in.read();
    out.write(unpacked<BITS, LANES, BYTES>(beat));
    if (trip == BEATS - 1) {
      PacketEnd end;
      end.lane[0] = beat.last;
      ends.write(end);
    }
  }
}

// An input at which packets may end where they like.
template <int BITS, int BEATS, int LANES, int BYTES>
void from_axi(hls::stream<Beat<BYTES>> &in, hls::stream<Word<ap_uint<BITS>, LANES>> &out) {
  static constexpr int TRIPS = BEATS;
  PYQKIT_TRIPS(TRIPS);
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    out.write(unpacked<BITS, LANES, BYTES>(in.read()));
  }
}

template <int BITS, int BEATS, int LANES, int BYTES>
void to_axi(hls::stream<Word<ap_uint<BITS>, LANES>> &in, hls::stream<PacketEnd> &ends,
            hls::stream<Beat<BYTES>> &out) {
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
      beat.data.range(lane * BITS + BITS - 1, lane * BITS) = word.lane[lane];
    }
    beat.last = 0;
    if (trip == BEATS - 1) beat.last = ends.read().lane[0];
#ifndef PYQKIT_SIMULATION
    beat.keep = beat.strb = -1;  // beats are always whole
#endif
    out.write(beat);
  }
}

}  // namespace pyqkit
