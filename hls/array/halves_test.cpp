// Halves that meet in a crossbar or in butterflies: the encoding's values at all places that route, rows that take turns, and the sign
// of the hidden one.
#include "array/halves.hpp"

#include "simulation/array_machine.hpp"

using namespace pyqkit::array;

static BlockSlot outlier(int bits, int upper, int lower, int significand, bool negative) {
  const int half = bits / 2, sign = int(negative) << (bits - 1);
  BlockSlot slot = {};
  for (auto &element : slot.elements) element = 0;
  slot.exponent = 0;
  for (auto &side : slot.sides) {
    side.flag = 0, side.exponent = 0;
    for (auto &pair : side.pairs) pair = 0;
  }
  slot.sides[0].flag = 1, slot.sides[0].exponent = 3;
  slot.sides[0].pairs[2] = upper | lower << 3;
  slot.elements[upper] = sign | significand >> half;
  slot.elements[lower] = sign | (significand & ((1 << half) - 1));
  return slot;
}

// One outlier, and an inlier in the same row: what its network makes of them.
template <class Family> static void place(int bits, int upper, int lower) {
  Family family;
  family.choose(bits, 0);
  const int one = 1 << bits, significand = drawn(one);
  const bool negative = drawn(2);
  BlockSlot slot = outlier(bits, upper, lower, significand, negative);
  int other = 0;
  while (other == upper || other == lower) ++other;
  slot.elements[other] = 1;
  ShiftedSlot activation;
  const int code = drawn(256) - 128;
  activation.code = code & 255, activation.shift = 2;
  int products[MICRO], terms[MICRO];
  for (slot.place = 0; slot.place < MICRO; ++slot.place)
    products[slot.place] = family.product(family.number(activation), family.weight(slot), 0);
  family.merge(slot.sides[0], products, terms);
  for (int column = 0; column < MICRO; ++column) {
    const int weight = column == upper ? (negative ? -8 : 8) * (one + significand) : column == other;
    CHECK_EQUAL(terms[column], 4 * weight * code);
  }
}

// Of six rows that have outliers each network serves one at a time.
template <class Family> static void turns(int expected) {
  Family family;
  family.choose(2, 0);
  pyqkit::array::Tile<Family, 8, 8> tile;
  typename Family::Number numbers[8];
  ShiftedSlot activation;
  activation.code = 32, activation.shift = 0;
  int weight = 0;
  for (int row = 0; row < 8; ++row) {
    numbers[row] = family.number(activation);
    BlockSlot slot = outlier(2, 2, 6, 2, row % 2);  // 1.5, with both signs
    slot.sides[0].exponent = 0;
    if (row < 2) slot.sides[0].flag = 0;  // two slots of their own
    for (slot.place = 0; slot.place < 8; ++slot.place) tile.load(row, slot.place, family.weight(slot));
    weight += row < 2 ? (row ? -1 : 1) : row % 2 ? -6 : 6;
  }
  tile.swap();
  for (int vector = 0; vector < 2; ++vector) {
    int asked = 1;
    while (asked <= expected && !tile.serve(family, numbers)) ++asked;
    CHECK_EQUAL(asked, expected);
    pyqkit::Exact<40> sums[2];
    tile.multiply(family, numbers, 2, sums);
    CHECK_EQUAL(sums[0], 32 * weight);
  }
}

int main() {
  for (int bits = 2; bits <= 4; bits += 2)
    for (int upper = 0; upper < 8; ++upper)
      for (int lower = 0; lower < 8; ++lower) {
        if (upper == lower) continue;
        place<Halves<40, 2, 0>>(bits, upper, lower);
        if ((upper ^ lower) != 5) place<Halves<40, 2, 1>>(bits, upper, lower);  // that pair is blocked
      }
  turns<Halves<40, 2, 0>>(1);
  turns<Halves<40, 2, 1>>(6);
  turns<Halves<40, 2, 4>>(2);
  BlockSlot slot = outlier(2, 2, 6, 2, false);  // 1.5 times 32, and 8 from the row above: 56; and -40
  slot.sides[0].exponent = 0;
  for (int sign = 1; sign >= -1; sign -= 2) {
    Halves<40, 2, 1> family;
    family.choose(2, 0);
    if (sign < 0) slot = outlier(2, 2, 6, 2, true), slot.sides[0].exponent = 0;
    ShiftedSlot activation;
    activation.code = 32, activation.shift = 0;
    int products[MICRO], terms[MICRO];
    for (slot.place = 0; slot.place < MICRO; ++slot.place)
      products[slot.place] = family.product(family.number(activation), family.weight(slot), 0);
    family.merge(slot.sides[0], products, terms);
    CHECK_EQUAL(4 * 8 + terms[2], 4 * (sign > 0 ? 56 : -40));
  }
  return finish_bench();
}
