// Two blocks of 3x2 pixels of 4 channels in words of 2, and a single pixel.
#include "transpose.hpp"
#include "simulation/test_bench.hpp"

typedef ap_uint<8> Code;

int main() {
  int image[48], expected[48];
  for (int i = 0; i < 48; ++i) image[i] = i + 1;
  for (int block = 0; block < 2; ++block)
    for (int row = 0; row < 3; ++row)
      for (int column = 0; column < 2; ++column)
        for (int channel = 0; channel < 4; ++channel)
          expected[((block * 2 + column) * 3 + row) * 4 + channel] =
              image[((block * 3 + row) * 2 + column) * 4 + channel];
  hls::stream<pyqkit::Word<Code, 2>> in("in", 100), out("out", 100);
  for (int frame = 0; frame < 2; ++frame) {
    send<Code, 2>(in, image, 48);
    pyqkit::transpose<Code, 2, 3, 2, 2, 2>(in, out);
    CHECK_EQUAL(in.size(), 0);
    expect<Code, 2>(out, expected, 48);
  }
  send<Code, 2>(in, image, 2);
  pyqkit::transpose<Code, 1, 1, 1, 1, 2>(in, out);
  expect<Code, 2>(out, image, 2);
  return finish_bench();
}
