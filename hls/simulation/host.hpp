// The host's side of a C simulation: bytes in, bytes out, and the report of a design that cannot go on.
#pragma once
#include <cstring>
#include <string>

#include "axi_stream.hpp"

static std::string failure;

#define PYQKIT_RUN() failure += simulation::Scheduler::instance().run()

static int finish(char *message, int size) {
  std::strncpy(message, failure.c_str(), size - 1);
  message[size - 1] = 0;
  return failure.empty() ? 0 : 1;
}

template <int BYTES> void feed_frames(const unsigned char *bytes, int beats, int frames, hls::stream<pyqkit::Beat<BYTES>> &in) {
  for (int frame = 0; frame < frames; ++frame) {
    for (int i = 0; i < beats; ++i) {
      pyqkit::Beat<BYTES> beat;
      unsigned long long data = 0;
      for (int byte = BYTES - 1; byte >= 0; --byte) data = data << 8 | bytes[byte];
      beat.data = data;
      beat.last = i == beats - 1;
      bytes += BYTES;
      in.write(beat);
    }
  }
}

template <int BYTES> void drain_frames(unsigned char *bytes, int beats, int frames, hls::stream<pyqkit::Beat<BYTES>> &out) {
  for (int frame = 0; frame < frames; ++frame) {
    for (int i = 0; i < beats; ++i) {
      const pyqkit::Beat<BYTES> beat = out.read();
      if ((beat.last != 0) != (i == beats - 1) && failure.empty()) failure = "TLAST is not on the last beat of a frame";
      const unsigned long long data = (unsigned long long)beat.data;
      for (int byte = 0; byte < BYTES; ++byte) bytes[byte] = (unsigned char)(data >> (8 * byte));
      bytes += BYTES;
    }
  }
}
