// Golden vectors for the C++: files of hexadecimal digits, one beat a line, into the streams of a network and beside its results.
#pragma once
#include <cstdio>
#include <cstdlib>

#include "axi_stream.hpp"

namespace golden {

// Reads the next beat of a file; what is missing ends the program.
template <int BYTES> ap_uint<8 * BYTES> next(std::FILE *file, const char *name) {
  ap_uint<8 * BYTES> data = 0;
  for (int place = 0; place < 2 * BYTES; ++place) {
    int letter = std::fgetc(file);
    while (letter == '\n') letter = std::fgetc(file);
    if (letter == EOF) {
      std::printf("%s: a beat was expected, but the file ends\n", name);
      std::exit(1);
    }
    const int digit = letter <= '9' ? letter - '0' : letter - 'a' + 10;
    data = ap_uint<8 * BYTES>(data << 4) | ap_uint<8 * BYTES>(digit);
  }
  return data;
}

inline std::FILE *opened(const char *name) {
  std::FILE *file = std::fopen(name, "r");
  if (file == NULL) {
    std::printf("%s: golden vectors were expected, but there is no such file\n", name);
    std::exit(1);
  }
  return file;
}

// FRAMES frames of BEATS beats go into a stream.
template <int BYTES, int BEATS, int FRAMES>
void send(const char *name, hls::stream<pyqkit::Beat<BYTES> > &stream) {
  std::FILE *file = opened(name);
  for (int beat = 0; beat < BEATS * FRAMES; ++beat) {
    pyqkit::Beat<BYTES> sent;
    sent.data = next<BYTES>(file, name);
    sent.keep = sent.strb = -1;
    sent.last = beat % BEATS == BEATS - 1;
    stream.write(sent);
  }
  std::fclose(file);
}

// Says how many beats of a stream have other data than the file, or TLAST where no frame ends.
template <int BYTES, int BEATS, int FRAMES>
int differing(const char *name, hls::stream<pyqkit::Beat<BYTES> > &stream) {
  std::FILE *file = opened(name);
  int wrong = 0;
  for (int beat = 0; beat < BEATS * FRAMES; ++beat) {
    const pyqkit::Beat<BYTES> found = stream.read();
    const ap_uint<8 * BYTES> expected = next<BYTES>(file, name);
    wrong += found.data != expected || (found.last != 0) != (beat % BEATS == BEATS - 1);
  }
  std::fclose(file);
  std::printf("golden vectors: %d of %d beats of %s differ\n", wrong, BEATS * FRAMES, name);
  return wrong;
}

}  // namespace golden
