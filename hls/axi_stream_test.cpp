// Codes to beats and back: lane 0 in the lowest bits, zero padding, TLAST on the last beat of the frames that end a packet.
#include "axi_stream.hpp"
#include "simulation/test_bench.hpp"

static void beats_of_16_bits() {
  int codes[12];
  const int last[2] = {0, 1};
  for (int i = 0; i < 12; ++i) codes[i] = (i * 3 + 1) % 8;
  hls::stream<pyqkit::Word<ap_uint<3>, 3>> words("words", 100), back("back", 100), open("open", 100);
  hls::stream<pyqkit::Beat<2>> beats("beats", 100), again("again", 100), more("more", 100);
  hls::stream<pyqkit::PacketEnd> ends("ends", 100), ended("ended", 100);
  for (int frame = 0; frame < 2; ++frame) {
    send<ap_uint<3>, 3>(words, codes + 6 * frame, 6);
    send<ap_uint<1>, 1>(ends, last + frame, 1);
    pyqkit::to_axi<3, 2, 3, 2>(words, ends, beats);
  }
  for (int i = 0; i < 4; ++i) {
    pyqkit::Beat<2> beat = beats.read();
    CHECK_EQUAL(beat.data, codes[3 * i] | codes[3 * i + 1] << 3 | codes[3 * i + 2] << 6);
    CHECK_EQUAL(beat.last, i == 3);
    more.write(beat);
    if (i == 0) beat.last = 1;  // within a frame it means nothing
    again.write(beat);
  }
  for (int frame = 0; frame < 2; ++frame) {
    pyqkit::from_axi<3, 2, 3, 2>(again, back, ended);
    pyqkit::from_axi<3, 2, 3, 2>(more, open);
  }
  expect<ap_uint<3>, 3>(back, codes, 12);
  expect<ap_uint<3>, 3>(open, codes, 12);
  expect<ap_uint<1>, 1>(ended, last, 2);
}

static void beats_of_256_bits() {
  int codes[56];
  const int last[2] = {1, 0};
  for (int i = 0; i < 56; ++i) codes[i] = (i * 37 + 5) % 512;
  hls::stream<pyqkit::Word<ap_uint<9>, 28>> words("words", 100), back("back", 100);
  hls::stream<pyqkit::Beat<32>> beats("beats", 100), again("again", 100);
  hls::stream<pyqkit::PacketEnd> ends("ends", 100), ended("ended", 100);
  for (int frame = 0; frame < 2; ++frame) {
    send<ap_uint<9>, 28>(words, codes + 28 * frame, 28);
    send<ap_uint<1>, 1>(ends, last + frame, 1);
    pyqkit::to_axi<9, 1, 28, 32>(words, ends, beats);
    const pyqkit::Beat<32> beat = beats.read();
    for (int lane = 0; lane < 28; ++lane) {
      const unsigned long long code = beat.data.range(9 * lane + 8, 9 * lane);
      CHECK_EQUAL(code, codes[28 * frame + lane]);
    }
    const unsigned long long padding = beat.data.range(255, 252);
    CHECK_EQUAL(padding, 0);
    again.write(beat);
    pyqkit::from_axi<9, 1, 28, 32>(again, back, ended);
  }
  expect<ap_uint<9>, 28>(back, codes, 56);
  expect<ap_uint<1>, 1>(ended, last, 2);
}

int main() {
  beats_of_16_bits();
  beats_of_256_bits();
  return finish_bench();
}
