// Every field of an item, in the stream's words; shifts come and go with words, and leave a word that codes are put to.
#include "array/block_memory.hpp"

#include "simulation/array_machine.hpp"

using namespace pyqkit::array;
static const int COLUMNS = 16, BITS = 11 * COLUMNS + 3, PARTS = 3;
static bool bits[BITS];

static int field(int low, int width) {
  int value = 0;
  for (int i = 0; i < width; ++i) value |= bits[low + i] << i;
  return value;
}

static void check_weights() {
  BlockItems<4, COLUMNS, 64> items;
  for (bool &bit : bits) bit = drawn(2);
  for (int part = 0; part < PARTS; ++part) {
    unsigned long long word = 0;
    for (int i = 0; i < 64 && 64 * part + i < BITS; ++i) word |= (unsigned long long)bits[64 * part + i] << i;
    items.put(2, part, word);
  }
  CHECK_EQUAL(items.trips(2), 2 * PARTS);
  for (int column = 0; column < COLUMNS; ++column) {
    const BlockSlot slot = items.slot(2, column);
    const int micro = column / 8;
    CHECK_EQUAL(slot.place, column % 8);
    CHECK_EQUAL(slot.exponent, field(11 * COLUMNS, 3));
    for (int place = 0; place < 8; ++place)
      CHECK_EQUAL(slot.elements[place], field(4 * (8 * micro + place), 4));
    for (int lane = 0; lane < 2; ++lane) {
      const int low = 4 * COLUMNS + 28 * (2 * micro + lane);
      CHECK_EQUAL(slot.sides[lane].flag, field(low, 1));
      CHECK_EQUAL(slot.sides[lane].exponent, field(low + 1, 3));
      for (int pair = 0; pair < 4; ++pair)
        CHECK_EQUAL(slot.sides[lane].pairs[pair], field(low + 4 + 6 * pair, 6));
    }
  }
}

// SLOTS that end with a word of the stream, and within one.
template <int SLOTS> void check_activations() {
  static const int LAST = SLOTS / 8;
  ShiftedSlots<4, SLOTS, 4, 64> words;
  CHECK_EQUAL(words.trips(3), 3 * (LAST + 1));
  for (int part = 0; part <= LAST; ++part) words.put(1, part, 0x0908070605040302ull + part);
  words.put(1, LAST, SLOTS % 8 ? 5ull << (8 * (SLOTS % 8)) | 0x1f : 5);
  CHECK_EQUAL(words.slot(1, 0).code, SLOTS % 8 && LAST == 0 ? 0x1f : 2);
  CHECK_EQUAL(words.slot(1, 0).shift, 5);
  CHECK_EQUAL(words.word(1, LAST) >> (8 * (SLOTS % 8)), 5);
  words.put_code(1, 2, 0, 8, 0x77);
  words.unshift(1);
  CHECK_EQUAL(words.slot(1, 2).code, 0x77);
  CHECK_EQUAL(words.slot(1, 2).shift, 0);
  CHECK_EQUAL(words.word(1, LAST) >> (8 * (SLOTS % 8)), 0);
  CHECK_EQUAL((words.padded(0x9e).code), 0x9e);
  CHECK_EQUAL((words.padded(0x9e).shift), 6);
}

int main() {
  for (int i = 0; i < 50; ++i) check_weights();
  check_activations<8>();
  check_activations<12>();
  check_activations<6>();
  return finish_bench();
}
