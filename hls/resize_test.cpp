// A 2x3 image of 4 channels: every row and column twice; columns alone; rows and columns of their own, some never.
#include "resize.hpp"
#include "simulation/test_bench.hpp"

typedef ap_uint<8> Code;

struct Image {
  static const int HEIGHT = 2, WIDTH = 3, CHANNELS = 4;
};

struct Twice : Image {
  static const int LANES = 2, TRIPS = 48, LINE = 1;
  static int rows(int) { return 2; }
  static int columns(int) { return 2; }
};

struct Wider : Image {
  static const int LANES = 4, TRIPS = 18, LINE = 0;
  static int rows(int) { return 1; }
  static int columns(int) { return 3; }
};

struct Uneven : Image {  // the first row three times, the second never; the columns twice, never and once
  static const int LANES = 1, TRIPS = 60, LINE = 1;
  static int rows(int row) { return row == 0 ? 3 : 0; }
  static int columns(int column) { return column == 0 ? 2 : column == 1 ? 0 : 1; }
};

template <class S> void check() {
  int image[24], expected[200], count = 0;
  for (int i = 0; i < 24; ++i) image[i] = i + 1;
  for (int row = 0; row < 2; ++row)
    for (int y = 0; y < S::rows(row); ++y)
      for (int column = 0; column < 3; ++column)
        for (int x = 0; x < S::columns(column); ++x)
          for (int channel = 0; channel < 4; ++channel)
            expected[count++] = image[(row * 3 + column) * 4 + channel];
  hls::stream<pyqkit::Word<Code, S::LANES>> in("in", 200), out("out", 200);
  for (int frame = 0; frame < 2; ++frame) {
    send<Code, S::LANES>(in, image, 24);
    pyqkit::resize<Code, S, S>(in, out);
    CHECK_EQUAL(in.size(), 0);
    expect<Code, S::LANES>(out, expected, count);
  }
}

int main() {
  check<Twice>();
  check<Wider>();
  check<Uneven>();
  return finish_bench();
}
