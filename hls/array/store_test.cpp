// Words of two beats, the last of which ends the transfer.
#include "array/store.hpp"

#include "simulation/array_machine.hpp"

int main() {
  typedef pyqkit::array::Slots<8, 10, 1, 64> Memory;
  Memory memory;
  draw(memory);
  for (int ends = 0; ends < 2; ++ends) {
    hls::stream<pyqkit::Beat<8>> out("out", 100);
    pyqkit::array::store<64>(memory, 3, 4, ends, out);
    CHECK_EQUAL(out.size(), 8);
    for (int i = 0; i < 8; ++i) {
      const pyqkit::Beat<8> beat = out.read();
      for (int byte = 0; byte < 8; ++byte) {
        const int slot = i % 2 * 8 + byte;
        const unsigned long long found = beat.data.range(8 * byte + 7, 8 * byte);
        CHECK_EQUAL(found, slot < 10 ? int(memory.slot(3 + i / 2, slot)) : 0);
      }
      CHECK_EQUAL(beat.last, ends && i == 7);
    }
  }
  return finish_bench();
}
