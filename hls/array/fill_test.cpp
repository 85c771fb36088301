// Tables from the middle of the table memory, and the search of every number of stages, on boundaries and beside them.
#include "array/fill.hpp"

#include "simulation/array_machine.hpp"

int main() {
  Small::Tables memory;
  Small::Boundaries boundaries;
  Small::Codes codes;
  long long values[255], value = -(1ll << 40);
  for (int i = 0; i < 255; ++i) {
    values[i] = value += drawn(1 << 30);
    memory.words[20 + i][0] = (unsigned long long)value;
  }
  for (int i = 0; i < 32; ++i) memory.words[280 + i][0] = 0x0706050403020100ull + 0x0808080808080808ull * i;
  pyqkit::array::fill(memory, 20, 255, boundaries);
  pyqkit::array::fill(memory, 280, 32, codes);
  for (int processor = 0; processor < Small::PROCESSORS; ++processor) {
    for (int i = 0; i < 256; ++i) CHECK_EQUAL(codes.codes[processor][i], i);
    for (int stages = 0; stages <= 8; ++stages)
      for (int i = 0; i < 255; ++i)
        for (int by = -1; by <= 1; ++by) {
          int expected = 0;
          while (expected < (1 << stages) - 1 && values[expected] <= values[i] + by) ++expected;
          CHECK_EQUAL(boundaries.passed(processor, values[i] + by, stages), expected);
        }
  }
  return finish_bench();
}
