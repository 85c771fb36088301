// LOAD: words of the stream to a memory.
#pragma once
#include "axi_stream.hpp"

namespace pyqkit {
namespace array {

// Memory: PARTS, trips(items), put(item, part, word).
template <int STREAM, class Memory>
void load(hls::stream<Beat<STREAM / 8>> &in, int address, int count, Memory &memory) {
  const int TRIPS = Memory::trips(count);
  PYQKIT_TRIPS(TRIPS);
  Counter<Memory::PARTS> part;
  int item = address;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Beat<STREAM / 8> beat = in.read();
    memory.put(item, part.at, beat.data);
    if (part.step()) ++item;
  }
}

}  // namespace array
}  // namespace pyqkit
