// STORE: words of the activations to the stream.
#pragma once
#include "array/memory.hpp"
#include "axi_stream.hpp"

namespace pyqkit {
namespace array {

template <int STREAM, class Memory>
void store(const Memory &activations, int address, int count, bool ends, hls::stream<Beat<STREAM / 8>> &out) {
  const int TRIPS = Memory::trips(count);
  PYQKIT_TRIPS(TRIPS);
  Counter<Memory::PARTS> part;
  int item = address;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    out.write(beat_of<STREAM>(activations.word(item, part.at), ends && trip == TRIPS - 1));
    if (part.step()) ++item;
  }
}

}  // namespace array
}  // namespace pyqkit
