// Signed integers of two, four and eight bits: every slot and every code in each mode.
#include "array/digits.hpp"

#include "simulation/test_bench.hpp"

typedef pyqkit::array::Digits<32, 2> Family;

struct Run {
  int activation_table, weight_table, weight_high, activation_high;
};

static int signed_of(int code, int bits) {
  const int cut = code & ((1 << bits) - 1);
  return cut >> (bits - 1) ? cut - (1 << bits) : cut;
}

// The digits of signed integers: the uppermost one carries the sign.
static void fill(pyqkit::array::DigitTable &table, int bits) {
  for (int nibble = 0; nibble < 2; ++nibble)
    for (int code = 0; code < 16; ++code) {
      const int low = bits == 2 ? signed_of(code, 2) : code & 3;
      const int high = bits == 8 && nibble == 0 ? code >> 2 : signed_of(code >> 2, 2);
      table.pairs[nibble][code] = (low & 7) | (high & 7) << 3;
    }
}

// Sums of the products of the codes of a slot.
static int expected(int slot, int code, int weight_bits, int activation_bits) {
  int sum = 0;
  for (int i = 0; i < 16 / (weight_bits * activation_bits); ++i)
    sum += signed_of(slot >> (weight_bits * i), weight_bits) *
           signed_of(code >> (activation_bits * i), activation_bits);
  return sum;
}

struct Mode {
  int weight_bits, activation_bits;
  pyqkit::array::DigitMode digits;
};
static const Mode MODES[] = {
    {2, 2, {{0, 1, 2, 3}, {0, 1, 2, 3}, 0, 0}}, {4, 2, {{0, 1, 2, 3}, {0, 0, 1, 1}, 1, 0}},
    {2, 4, {{0, 0, 1, 1}, {0, 1, 2, 3}, 1, 0}}, {4, 4, {{0, 1, 0, 1}, {0, 0, 1, 1}, 1, 1}},
    {2, 8, {{0, 0, 0, 0}, {0, 1, 2, 3}, 1, 2}},
};

static Family family_of(const Mode &mode, int weight_bits, int activation_bits) {
  Family family;
  fill(family.tables[1][1], weight_bits);
  fill(family.tables[0][0], activation_bits);
  family.choose(mode.digits, Run{0, 1, 0, 0});
  return family;
}

int main() {
  for (const Mode &mode : MODES) {
    const Family family = family_of(mode, mode.weight_bits, mode.activation_bits);
    for (int slot = 0; slot < 256; ++slot)
      for (int code = 0; code < 256; ++code) {
        pyqkit::Exact<32> sums[1] = {0};
        family.add(sums, family.number(code), family.weight(slot));
        CHECK_EQUAL(sums[0], expected(slot, code, mode.weight_bits, mode.activation_bits));
      }
  }
  Family family = family_of(MODES[3], 8, 8);  // eight bits on both sides: four runs
  for (int slot = 0; slot < 256; ++slot)
    for (int code = 0; code < 256; ++code) {
      pyqkit::Exact<32> sums[1] = {0};
      for (int part = 0; part < 4; ++part) {
        family.choose(MODES[3].digits, Run{0, 1, part & 1, part >> 1});
        family.add(sums, family.number(code), family.weight(slot));
      }
      CHECK_EQUAL(sums[0], signed_of(slot, 8) * signed_of(code, 8));
    }
  return finish_bench();
}
