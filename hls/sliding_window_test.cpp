// 3x3 windows of a 4x5 image with asymmetric padding and stride 2, two groups, against loops that index the image.
#include "sliding_window.hpp"
#include "simulation/test_bench.hpp"

struct Shape {
  static const int CODE_BITS = 4, HEIGHT = 4, WIDTH = 5, CHANNELS = 4, ROWS = 2, COLUMNS = 2;
  static const int KERNEL_H = 3, KERNEL_W = 3, STRIDE_H = 2, STRIDE_W = 2, DILATION_H = 1, DILATION_W = 1;
  static const int TOP = 1, LEFT = 0, GROUPS = 2, LANES_IN = 4, LANES_OUT = 2, PAD = 9;
  // as pyqkit/dataflow/pace.py has it
  static const int FILL = 8, COUNT_IN = 5, COUNT_OUT = 18, PERIOD = 18, RING = 16, FRAME = 80;
};

int main() {
  const int H = Shape::HEIGHT, W = Shape::WIDTH, C = Shape::CHANNELS, TOP = Shape::TOP, LEFT = Shape::LEFT,
            ROWS = 2, COLUMNS = 2;
  int image[2 * H * W * C], expected[2 * ROWS * COLUMNS * 9 * C], n = 0;
  for (int i = 0; i < 2 * H * W * C; ++i) image[i] = (i * 7 + 3) % 16;
  for (int frame = 0; frame < 2; ++frame)
    for (int row = 0; row < ROWS; ++row)
      for (int column = 0; column < COLUMNS; ++column)
        for (int group = 0; group < 2; ++group)
          for (int ky = 0; ky < 3; ++ky)
            for (int kx = 0; kx < 3; ++kx)
              for (int c = 0; c < 2; ++c) {
                const int y = row * 2 + ky - TOP, x = column * 2 + kx - LEFT;
                const bool inside = y >= 0 && y < H && x >= 0 && x < W;
                expected[n++] = inside ? image[((frame * H + y) * W + x) * C + group * 2 + c] : Shape::PAD;
              }
  hls::stream<pyqkit::Word<ap_uint<4>, 4>> in("in", 1000);
  hls::stream<pyqkit::Word<ap_uint<4>, 2>> out("out", 1000);
  send<ap_uint<4>, 4>(in, image, 2 * H * W * C);
  for (int frame = 0; frame < 2; ++frame) pyqkit::sliding_window<Shape>(in, out);
  expect<ap_uint<4>, 2>(out, expected, n);
  CHECK_EQUAL(in.size(), 0);  // pixels that no window needs are taken too
  return finish_bench();
}
