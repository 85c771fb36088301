// Items of several words to the middle of a memory.
#include "array/load.hpp"

#include "simulation/array_machine.hpp"

int main() {
  hls::stream<pyqkit::Beat<8>> in("in", 100);
  pyqkit::array::Items<8, 130, 64> items;
  for (int i = 0; i < 6; ++i) in.write(pyqkit::beat_of<64>(ap_uint<64>(i + 10), false));
  for (auto &item : items.words)
    for (auto &word : item) word = 1;
  pyqkit::array::load<64>(in, 3, 2, items);
  CHECK_EQUAL(in.size(), 0);
  for (int item = 0; item < 8; ++item)
    for (int part = 0; part < 3; ++part)
      CHECK_EQUAL(items.words[item][part], item == 3 || item == 4 ? 3 * item + part + 1 : 1);
  return finish_bench();
}
