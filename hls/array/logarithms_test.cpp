// Every slot and every code in each mode, with tables of random logarithms, against powers of two in floating point.
#include "array/logarithms.hpp"

#include <cmath>

#include "simulation/test_bench.hpp"

struct Significands {
  static int value(int fraction) { return int(std::round(128 * std::exp2(fraction / 64.0))); }
};
typedef pyqkit::array::Logarithms<Significands, 48, 2> Family;

struct Run {
  int activation_table = 1, weight_table = 0;
};

static unsigned long long state = 1;
static int drawn(int below) {
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return int((state >> 33) % below);
}

// What an entry stands for.
static double value(int entry) {
  if (entry >> 12 & 1) return 0;
  return entry >> 11 & 1 ? -1 : 1;
}

static long long product(int left, int right) {
  const int log = (left & 2047) + (right & 2047);
  return (long long)(value(left) * value(right) * Significands::value(log & 63) * std::exp2(log >> 6));
}

int main() {
  Family family;
  for (int code = 0; code < 256; ++code) {
    family.tables[0][1].entries[code] = drawn(8) == 0 ? 4096 : drawn(2) << 11 | drawn(1024);
    family.tables[1][0].entries[code] = drawn(8) == 0 ? 4096 : drawn(2) << 11 | drawn(1024);
  }
  const int ternary[4] = {4096, 0, 4096, 2048};  // of two bits: 0, 1, no number, -1
  for (int bits = 2; bits <= 8; bits *= 2) {
    family.choose(bits, Run());
    for (int slot = 0; slot < 256; ++slot)
      for (int code = 0; code < 256; ++code) {
        pyqkit::Exact<48> sums[4] = {0, 0, 0, 0};
        family.add(sums, family.number(code), family.weight(slot));
        for (int lane = 0; lane < 4; ++lane) {
          const int weight = lane < 8 / bits ? (slot >> (bits * lane)) & ((1 << bits) - 1) : 0;
          const int entry = lane >= 8 / bits ? 4096
                            : bits == 2      ? ternary[weight]
                                             : int(family.tables[1][0].entries[weight]);
          CHECK_EQUAL(sums[lane], product(int(family.tables[0][1].entries[code]), entry));
        }
      }
  }
  return finish_bench();
}
