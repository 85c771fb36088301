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

// Trips that a frame takes in each process, a line each: "process trips".
extern "C" int trips(char *text, int size) {
  std::string lines;
  for (const auto &process : simulation::Scheduler::instance().trips())
    lines += process.first + " " + std::to_string(process.second) + "\n";
  std::strncpy(text, lines.c_str(), size - 1);
  text[size - 1] = 0;
  return int(lines.size()) < size ? 0 : 1;
}

// Packets of 1, 2, 3, ... frames: whether one ends with the next frame of so many.
struct Packets {
  int frames, next = 0, length = 1, left = 1;
  bool end() {
    if (++next < frames && --left) return false;
    left = ++length;
    return true;
  }
};

template <int BYTES>
void feed_frames(const unsigned char *bytes, int beats, int frames, hls::stream<pyqkit::Beat<BYTES>> &in) {
  Packets packets{frames};
  for (int frame = 0; frame < frames; ++frame) {
    const bool ends = packets.end();
    for (int i = 0; i < beats; ++i) {
      pyqkit::Beat<BYTES> beat;
      for (int byte = 0; byte < BYTES; ++byte) beat.data.range(8 * byte + 7, 8 * byte) = bytes[byte];
      beat.last = ends && i == beats - 1;
      bytes += BYTES;
      in.write(beat);
    }
  }
}

template <int BYTES>
void drain_frames(unsigned char *bytes, int beats, int frames, hls::stream<pyqkit::Beat<BYTES>> &out) {
  Packets packets{frames};
  for (int frame = 0; frame < frames; ++frame) {
    const bool ends = packets.end();
    for (int i = 0; i < beats; ++i) {
      const pyqkit::Beat<BYTES> beat = out.read();
      if ((beat.last != 0) != (ends && i == beats - 1) && failure.empty())
        failure = "TLAST is not on the last beat of a packet";
      for (int byte = 0; byte < BYTES; ++byte) {
        const unsigned long long value = beat.data.range(8 * byte + 7, 8 * byte);
        bytes[byte] = (unsigned char)value;
      }
      bytes += BYTES;
    }
  }
}

// The same for words without TLAST, of which each takes BYTES bytes of the buffer.
template <int BYTES, int W>
void feed_frames(const unsigned char *bytes, int words, int frames, hls::stream<ap_uint<W>> &in) {
  for (int i = 0; i < words * frames; ++i, bytes += BYTES) {
    ap_uint<W> word = 0;
    for (int low = 0; low < W; low += 8) word.range(low + 8 < W ? low + 7 : W - 1, low) = bytes[low / 8];
    in.write(word);
  }
}

template <int BYTES, int W>
void drain_frames(unsigned char *bytes, int words, int frames, hls::stream<ap_uint<W>> &out) {
  for (int i = 0; i < words * frames; ++i, bytes += BYTES) {
    const ap_uint<W> word = out.read();
    for (int low = 0; low < W; low += 8) {
      const unsigned long long byte = word.range(low + 8 < W ? low + 7 : W - 1, low);
      bytes[low / 8] = (unsigned char)byte;
    }
  }
}
