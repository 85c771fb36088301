// Width conversion there and back, fork, permutation, slice, padding and concatenation of a 2x3 image of 4 channels.
#include "layout.hpp"
#include "simulation/test_bench.hpp"

typedef ap_uint<8> Code;

struct EndColumns {  // row 1, columns 0 and 2
  static const int HEIGHT = 2, WIDTH = 3, CHANNELS = 4, LANES = 2;
  static const int START_ROW = 1, START_COLUMN = 0, STEP_ROWS = 1, STEP_COLUMNS = 2, ROWS = 1, COLUMNS = 2;
};

struct Border {  // a row above, a column right, two channels in front
  static const int HEIGHT = 2, WIDTH = 3, CHANNELS = 4, LANES = 2;
  static const int TOP = 1, LEFT = 0, FRONT = 2, BOTTOM = 0, RIGHT = 1, BACK = 0, ZERO = 77;
};

struct Order {
  static int64_t channel(int word, int lane) { return 3 - 2 * word - lane; }
};

int main() {
  int image[24], expected[200];
  for (int i = 0; i < 24; ++i) image[i] = i + 1;
  hls::stream<pyqkit::Word<Code, 2>> a("a", 100), b("b", 100), c("c", 100);
  hls::stream<pyqkit::Word<Code, 4>> wide("wide", 100);
  hls::stream<pyqkit::Word<Code, 1>> narrow("narrow", 100);

  send<Code, 2>(a, image, 24);
  pyqkit::convert_width<Code, 24, 2, 4>(a, wide);
  pyqkit::convert_width<Code, 24, 4, 1>(wide, narrow);
  expect<Code, 1>(narrow, image, 24);

  send<Code, 2>(a, image, 24);
  pyqkit::fork<Code, 12, 2>(a, b, c);
  expect<Code, 2>(b, image, 24);
  expect<Code, 2>(c, image, 24);

  send<Code, 2>(a, image, 24);
  pyqkit::permute<Code, 6, 4, 4, 2, 2, Order>(a, b);
  for (int i = 0; i < 24; ++i) expected[i] = image[i / 4 * 4 + 3 - i % 4];
  expect<Code, 2>(b, expected, 24);

  send<Code, 2>(a, image, 24);
  pyqkit::slice<Code, EndColumns>(a, b);
  for (int i = 0; i < 8; ++i) expected[i] = image[12 + i / 4 * 8 + i % 4];
  expect<Code, 2>(b, expected, 8);

  send<Code, 2>(a, image, 24);
  pyqkit::pad<Code, Border>(a, b);
  for (int i = 0; i < 3 * 4 * 6; ++i) {
    const int row = i / 24 - 1, column = i / 6 % 4, channel = i % 6 - 2;
    expected[i] = row >= 0 && column < 3 && channel >= 0 ? image[(row * 3 + column) * 4 + channel] : 77;
  }
  expect<Code, 2>(b, expected, 72);

  send<Code, 2>(a, image, 24);
  send<Code, 2>(b, image, 12);
  pyqkit::concat<Code, 6, 4, 2, 2>(a, b, c);
  for (int i = 0; i < 36; ++i)
    expected[i] = i % 6 < 4 ? image[i / 6 * 4 + i % 6] : image[i / 6 * 2 + i % 6 - 4];
  expect<Code, 2>(c, expected, 36);
  return finish_bench();
}
