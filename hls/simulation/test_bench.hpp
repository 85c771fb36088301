// What the test benches share: streams filled from arrays, processes run to their end, and a check that counts failures.
#pragma once
#include <cstdio>

#include "dataflow.hpp"

static int failures = 0;

#define CHECK_EQUAL(found, expected)                                           \
  do {                                                                         \
    const long long f_ = (long long)(found), e_ = (long long)(expected);       \
    if (f_ != e_ && ++failures <= 10)                                          \
      std::printf("%s:%d: %lld, expected %lld\n", __FILE__, __LINE__, f_, e_); \
  } while (0)

// Writes COUNT codes in words of LANES.
template <class T, int LANES, class V>
void send(hls::stream<pyqkit::Word<T, LANES>> &stream, const V *codes, int count) {
  for (int i = 0; i < count; i += LANES) {
    pyqkit::Word<T, LANES> word;
    for (int lane = 0; lane < LANES; ++lane) word.lane[lane] = T(codes[i + lane]);
    stream.write(word);
  }
}

// Reads codes and compares them.
template <class T, int LANES, class V>
void expect(hls::stream<pyqkit::Word<T, LANES>> &stream, const V *codes, int count) {
  CHECK_EQUAL(stream.size(), count / LANES);
  if (int(stream.size()) < count / LANES) return;
  for (int i = 0; i < count; i += LANES) {
    const pyqkit::Word<T, LANES> word = stream.read();
    for (int lane = 0; lane < LANES; ++lane) CHECK_EQUAL(word.lane[lane], codes[i + lane]);
  }
  CHECK_EQUAL(stream.size(), 0);
}

static int finish_bench() {
  std::printf(failures ? "FAILED: %d differences\n" : "passed\n", failures);
  return failures != 0;
}
