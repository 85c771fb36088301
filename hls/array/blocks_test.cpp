// Micro-blocks of 0 to 4 outliers at all places, neighbours and ends too: what was stored comes out, times every activation.
#include "array/blocks.hpp"

#include "simulation/array_machine.hpp"

using namespace pyqkit::array;
typedef Blocks<40, 2> Family;

struct Weights {
  int magnitude[8], exponent[8];
  bool negative[8];
};

// A lane of slots of `bits` bits, outliers where `places` has ones: codes and side fields go to `slot`, what they mean is given back.
static Weights stored(BlockSlot &slot, int lane, int bits, int places) {
  const int half = bits / 2, one = 1 << (2 * half);
  Weights weights;
  int elements[8], order[8], outliers = 0, at = 0;
  for (int place = 0; place < 8; ++place) {
    elements[place] = drawn(1 << bits);
    weights.magnitude[place] = elements[place] & ((1 << (bits - 1)) - 1);
    weights.negative[place] = elements[place] >> (bits - 1);
    weights.exponent[place] = int(slot.exponent);
    order[place] = place;
    outliers += (places >> place) & 1;
  }
  for (int place = 7; place > 0; --place) {  // where lower halves go
    const int other = drawn(place + 1), kept = order[place];
    order[place] = order[other];
    order[other] = kept;
  }
  BlockSlot::Side &side = slot.sides[lane];
  side.flag = outliers > 0, side.exponent = drawn(8);
  for (auto &pair : side.pairs)
    pair = outliers ? 9 * drawn(8) : drawn(64);  // none, or what no flag is set for
  for (int pair = 0, upper = -1; pair < outliers; ++pair) {
    while (!((places >> ++upper) & 1)) continue;
    while ((places >> order[at]) & 1) ++at;
    const int lower = order[at++], significand = drawn(one);
    side.pairs[pair] = upper | lower << 3;
    const int sign = drawn(2) << (bits - 1);
    elements[upper] = sign | significand >> half;
    elements[lower] = sign | (significand & ((1 << half) - 1));
    weights.magnitude[upper] = one + significand, weights.magnitude[lower] = 0;
    weights.negative[upper] = sign != 0;
    weights.exponent[upper] = int(side.exponent);
  }
  for (int place = 0; place < 8; ++place) {
    const int low = bits == 4 ? 0 : 2 * lane, kept = int(slot.elements[place]) & ~(((1 << bits) - 1) << low);
    slot.elements[place] = kept | elements[place] << low;
  }
  return weights;
}

static void check(const Family &family, const Weights &weights, const BlockSlot &slot, int lane, int code,
                  int shift) {
  ShiftedSlot activation;
  activation.code = code & 255, activation.shift = shift;
  pyqkit::Exact<40> sums[2] = {5, 5};
  family.add(sums, family.number(activation), family.weight(slot));
  const int weight = weights.magnitude[slot.place] * (weights.negative[slot.place] ? -1 : 1);
  CHECK_EQUAL(sums[lane], 5 + weight * code * (1 << (weights.exponent[slot.place] + shift)));
  if (family.bits == 4) CHECK_EQUAL(sums[1], 5);
}

int main() {
  Family family;
  for (int bits = 2; bits <= 4; bits += 2)
    for (int places = 0; places < 256; ++places) {
      int outliers = 0;
      for (int place = 0; place < 8; ++place) outliers += (places >> place) & 1;
      if (outliers > 4) continue;
      family.choose(bits, 0);
      BlockSlot slot = {};
      for (auto &element : slot.elements) element = 0;
      slot.exponent = drawn(8);
      Weights weights[2];
      for (int lane = 0; lane < 4 / bits; ++lane)  // the other lane has outliers elsewhere
        weights[lane] = stored(slot, lane, bits, lane ? (places << 3 | places >> 5) & 255 : places);
      for (slot.place = 0; slot.place < 8; ++slot.place)
        for (int lane = 0; lane < 4 / bits; ++lane)
          for (int code = -128; code < 128; code += 1 + drawn(16))
            check(family, weights[lane], slot, lane, code, drawn(8));
    }
  BlockSlot slot = {};  // 1.5 times 32, and 8 from the row above: 56
  slot.place = 2, slot.exponent = 0;
  slot.sides[0].flag = 1, slot.sides[0].exponent = 0;
  for (auto &pair : slot.sides[0].pairs) pair = 0;
  slot.sides[0].pairs[0] = 2 | 6 << 3;
  for (int place = 0; place < 8; ++place) slot.elements[place] = place == 2 ? 1 : 0;
  ShiftedSlot activation;
  activation.code = 32, activation.shift = 0;
  pyqkit::Exact<40> sums[2] = {4 * 8, 0};
  family.choose(2, 0);
  family.add(sums, family.number(activation), family.weight(slot));
  CHECK_EQUAL(sums[0], 4 * 56);
  return finish_bench();
}
