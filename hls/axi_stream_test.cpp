// Codes to beats and back: lane 0 in the lowest bits, zero padding, TLAST on the last beat of each frame.
#include "axi_stream.hpp"
#include "simulation/test_bench.hpp"

int main() {
  int codes[12];
  for (int i = 0; i < 12; ++i) codes[i] = (i * 3 + 1) % 8;
  hls::stream<pyqkit::Word<ap_uint<3>, 3>> words("words", 100), back("back", 100);
  hls::stream<pyqkit::Beat<2>> beats("beats", 100), again("again", 100);
  for (int frame = 0; frame < 2; ++frame) {
    send<ap_uint<3>, 3>(words, codes + 6 * frame, 6);
    pyqkit::to_axi<3, 2, 3, 2>(words, beats);
  }
  for (int i = 0; i < 4; ++i) {
    const pyqkit::Beat<2> beat = beats.read();
    CHECK_EQUAL(beat.data, codes[3 * i] | codes[3 * i + 1] << 3 | codes[3 * i + 2] << 6);
    CHECK_EQUAL(beat.last, i % 2 == 1);
    again.write(beat);
  }
  for (int frame = 0; frame < 2; ++frame) pyqkit::from_axi<3, 2, 3, 2>(again, back);
  expect<ap_uint<3>, 3>(back, codes, 12);
  return finish_bench();
}
