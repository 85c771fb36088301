// Items in words of 64 bits; slots and their planes; sums that wrap where a lane ends.
#include "array/memory.hpp"

#include "simulation/array_machine.hpp"

int main() {
  pyqkit::array::Items<5, 150, 64> items;
  for (int item = 0; item < 5; ++item)
    for (int part = 0; part < 3; ++part) items.put(item, part, 1000 * item + part + (1ull << 63));
  CHECK_EQUAL(items.trips(5), 15);
  const ap_uint<192> whole = items.item(3);
  for (int part = 0; part < 3; ++part)
    CHECK_EQUAL((unsigned long long)whole.range(64 * part + 63, 64 * part), 3000 + part + (1ull << 63));

  pyqkit::array::Slots<3, 10, 4, 64> slots;
  slots.put(2, 0, 0x8877665544332211ull);
  slots.put(2, 1, 0xaa99);
  for (int slot = 0; slot < 10; ++slot) CHECK_EQUAL(slots.slot(2, slot), 0x11 * (slot + 1));
  CHECK_EQUAL(slots.word(2, 1), 0xaa99);
  slots.put_code(2, 3, 2, 2, 3);
  CHECK_EQUAL(slots.slot(2, 3), 0x4c);
  slots.put_code(2, 3, 4, 4, 9);
  CHECK_EQUAL(slots.slot(2, 3), 0x9c);

  pyqkit::array::Accumulators<2, 2, 2, 24> sums;
  sums.add(1, 1, 0, 1, true, 700, 24);
  sums.add(1, 1, 0, 0, true, 5, 24);
  sums.add(1, 1, 0, 1, false, -1000, 24);
  CHECK_EQUAL(sums.sum(1, 1, 0, 0), 5);
  CHECK_EQUAL(sums.sum(1, 1, 0, 1), -300);
  sums.add(1, 1, 0, 1, false, 600000, 20);  // modulo 2**20
  CHECK_EQUAL(sums.sum(1, 1, 0, 1), 599700 - (1 << 20));
  return finish_bench();
}
