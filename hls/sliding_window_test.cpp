// 3x3 windows of a 4x5 image with asymmetric padding and stride 2, two groups, against loops that index the image.
#include "sliding_window.hpp"
#include "simulation/test_bench.hpp"

int main() {
  const int H = 4, W = 5, C = 4, TOP = 1, LEFT = 0, ROWS = 2, COLUMNS = 2, FILL = 9;
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
                expected[n++] = inside ? image[((frame * H + y) * W + x) * C + group * 2 + c] : FILL;
              }
  hls::stream<pyqkit::Word<ap_uint<4>, 4>> in("in", 1000);
  hls::stream<pyqkit::Word<ap_uint<4>, 2>> out("out", 1000);
  send<ap_uint<4>, 4>(in, image, 2 * H * W * C);
  for (int frame = 0; frame < 2; ++frame) pyqkit::sliding_window<4, H, W, C, ROWS, COLUMNS, 3, 3, 2, 2, 1, 1, TOP, LEFT, 2, 4, 2, FILL>(in, out);
  expect<ap_uint<4>, 2>(out, expected, n);
  CHECK_EQUAL(in.size(), 0);  // pixels that no window needs are taken too
  return finish_bench();
}
