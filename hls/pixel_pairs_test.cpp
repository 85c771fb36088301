// Pairs of a 2x6 image of two words a pixel, two columns apart, against loops that index the image; and words split in halves.
#include "pixel_pairs.hpp"
#include "simulation/test_bench.hpp"

struct Shape {
  static const int CODE_BITS = 4, HEIGHT = 2, WIDTH = 6, WORDS = 2, LANES = 2, SPAN = 2, COLUMNS = 3;
};

int main() {
  const int CHANNELS = Shape::WORDS * Shape::LANES, COUNT = 2 * Shape::HEIGHT * Shape::WIDTH * CHANNELS;
  int image[COUNT], expected[COUNT], n = 0;
  for (int i = 0; i < COUNT; ++i) image[i] = (i * 7 + i / 16) % 16;
  for (int row = 0; row < 2 * Shape::HEIGHT; ++row)
    for (int column = 0; column < Shape::COLUMNS; ++column)
      for (int channel = 0; channel < CHANNELS; ++channel) {
        const int place = (row * Shape::WIDTH + column) * CHANNELS + channel;
        expected[n++] = image[place + Shape::SPAN * CHANNELS] * 16 + image[place];
      }
  hls::stream<pyqkit::Word<ap_uint<4>, 2>> in("in", 1000);
  hls::stream<pyqkit::Word<ap_uint<8>, 2>> out("out", 1000);
  send<ap_uint<4>, 2>(in, image, COUNT);
  for (int frame = 0; frame < 2; ++frame) pyqkit::pixel_pairs<Shape>(in, out);
  expect<ap_uint<8>, 2>(out, expected, n);

  hls::stream<pyqkit::Word<ap_uint<4>, 4>> words("words", 1000);
  hls::stream<pyqkit::Word<ap_uint<4>, 2>> lower("lower", 1000), upper("upper", 1000);
  send<ap_uint<4>, 4>(words, image, COUNT);
  pyqkit::split<ap_uint<4>, COUNT / 4, 2>(words, lower, upper);
  for (int i = 0; i < COUNT / 2; ++i) expected[i] = image[i / 2 * 4 + i % 2];
  expect<ap_uint<4>, 2>(lower, expected, COUNT / 2);
  for (int i = 0; i < COUNT / 2; ++i) expected[i] = image[i / 2 * 4 + 2 + i % 2];
  expect<ap_uint<4>, 2>(upper, expected, COUNT / 2);
  return finish_bench();
}
