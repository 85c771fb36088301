// Carriers of real numbers that are known to a margin: what both ends of it are rounded to. Where the ends differ, nobody here
// knows which is right; whoever asked lets the definition decide.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

// What Python passes; pyqkit/emulate/nearest.py has the same structure.
struct Nearest {
  double low, high, least, steps,
      integers;          // minifloats, and integers, whose `least` is 0: rounded by an addition
  const double *fences;  // every other format: where each carrier begins
  const int32_t *carriers;
  int32_t count;  // of fences; 0 for the first kind
  int32_t type;   // of carriers
};

const double MARGIN =
    1.0 / ((int64_t)1 << 44);  // relative: more than a handful of operations in double are off

namespace {

// To the nearest whole number, whatever its size.
struct ToWhole {
  const Nearest &n;
  double nearest(double x) const {
    const double large = 1.5 * ((int64_t)1 << 52), sum = x + large;
    return sum - large;
  }
  double carrier(double nearest) const { return std::min(std::max(nearest, n.low), n.high); }
};

// To the nearest, by adding `steps` times the power of two of the number's exponent (`least` or more) and taking it away again.
struct ByAddition {
  const Nearest &n;
  double nearest(double x) const {
    uint64_t word;
    std::memcpy(&word, &x, sizeof word);
    word &= 0x7ff0000000000000;
    double power;
    std::memcpy(&power, &word, sizeof power);
    const double large = (power > n.least ? power : n.least) * n.steps;
    const double sum = x + large;
    return sum - large;
  }
  double carrier(double nearest) const { return std::min(std::max(nearest, n.low), n.high) * n.integers; }
};

struct BySearch {
  const Nearest &n;
  double nearest(double x) const {
    return n.carriers[std::upper_bound(n.fences, n.fences + n.count, x) - n.fences];
  }
  double carrier(double nearest) const { return nearest; }
};

// Calls `act` with how a format rounds: to the nearest, which is the same for numbers that no boundary parts, and from there to
// a carrier.
template <class Act> void rounded_by(const Nearest &n, Act act) {
  if (n.count)
    act(BySearch{n});
  else if (n.least == 0)
    act(ToWhole{n});
  else
    act(ByAddition{n});
}

}  // namespace
