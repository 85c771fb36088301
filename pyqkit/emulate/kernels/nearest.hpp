// Carriers of real numbers that are known to a margin: what both ends of it are rounded to. Where the ends differ, nobody here
// knows which is right; whoever asked lets the definition decide.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

// What Python passes; pyqkit/emulate/nearest.py has the same structure.
struct Nearest {
  double low, high, least, steps, integers;  // minifloats and integers, which are rounded by an addition
  const double *fences;                      // every other format: where each carrier begins
  const int32_t *carriers;
  int32_t count;  // of fences; 0 for the first kind
  int32_t type;   // of carriers
};

const double MARGIN = 1.0 / ((int64_t)1 << 44);  // relative: more than a handful of operations in double are off

namespace {

// To the nearest, by adding `steps` times the power of two of the number's exponent (`least` or more) and taking it away again.
struct ByAddition {
  const Nearest &n;
  double operator()(double x) const {
    const double above = x > n.low ? x : n.low;
    const double inside = above < n.high ? above : n.high;
    uint64_t word;
    std::memcpy(&word, &inside, sizeof word);
    word &= 0x7ff0000000000000;
    double power;
    std::memcpy(&power, &word, sizeof power);
    const double large = (power > n.least ? power : n.least) * n.steps;
    const double sum = inside + large;
    return (sum - large) * n.integers;
  }
};

struct BySearch {
  const Nearest &n;
  double operator()(double x) const {
    return n.carriers[std::upper_bound(n.fences, n.fences + n.count, x) - n.fences];
  }
};

// Calls `act` with how a format rounds.
template <class Act>
void rounded_by(const Nearest &n, Act act) {
  if (n.count)
    act(BySearch{n});
  else
    act(ByAddition{n});
}

}  // namespace
