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
  const int32_t *starts;   // by bucket, how many fences lie at or below the least number in it
  int32_t count;           // of fences; 0 for the first kind
  int32_t type;            // of carriers
  int32_t first, buckets;  // of positive numbers; as many of negative ones lie in front of them
};

const int BUCKET_BITS = 46;  // in which numbers of a bucket may differ: six digits are the same

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

// To where a number lies among the fences: from the start of its bucket on, which few fences cross.
struct BySearch {
  const Nearest &n;
  double nearest(double x) const {
    int64_t word;
    std::memcpy(&word, &x, sizeof word);
    const int32_t size = (int32_t)((word & INT64_MAX) >> BUCKET_BITS);
    const int32_t place = std::min(std::max(size - n.first, 0), n.buckets - 1);
    int32_t at = n.starts[word < 0 ? n.buckets - 1 - place : n.buckets + place];
    while (at < n.count && n.fences[at] <= x) ++at;
    return n.carriers[at];
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
