// Carriers of real numbers that are known to a margin: what both ends of it are rounded to. Where the ends differ, nobody here
// knows which is right; whoever asked lets the definition decide.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "search_tree.hpp"

// What Python passes; pyqkit/emulate/nearest.py has the same structure.
struct Nearest {
  double low, high, least, steps,
      integers;  // minifloats, and integers, whose `least` is 0: rounded by an addition
  const double *
      fences;  // every other format: where each carrier but the first begins, and a NaN, which nothing reaches
  const float *tree;  // of fences, filled up with infinities; null if they are too many
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

// Between which a number lies.
struct Margin {
  double low, high;
};

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

// What both ends of margins are rounded to: `ends` gives those of number i, the lower one first. Says whether some differ.
template <class Round, class Ends>
bool round_between(const Round &round, int count, const Ends &ends, int32_t *carriers) {
  int64_t unsure = 0;
  for (int i = 0; i < count; ++i) {
    const Margin margin = ends(i);
    const double from = round.nearest(margin.low), to = round.nearest(margin.high);
    unsure |= from != to;
    carriers[i] = (int32_t)round.carrier(from);
  }
  return unsure;
}

// To where a number lies among the fences: from the start of its bucket on, which few fences cross. Its margin is inside if the
// next fence lies above.
struct BySearch {
  const Nearest &n;

  bool one(double low, double high, int32_t *carrier) const {
    int64_t word;
    std::memcpy(&word, &low, sizeof word);
    const int32_t size = (int32_t)((word & INT64_MAX) >> BUCKET_BITS);
    const int32_t place = std::min(std::max(size - n.first, 0), n.buckets - 1);
    int32_t at = n.starts[word < 0 ? n.buckets - 1 - place : n.buckets + place];
    while (n.fences[at] <= low) ++at;
    *carrier = n.carriers[at];
    return n.fences[at] <= high;
  }

  bool piece(const double *low, const double *high, int count, int32_t *carriers) const {
    bool unsure = false;
    for (int i = 0; i < count; ++i) unsure |= one(low[i], high[i], carriers + i);
    return unsure;
  }
};

const int PIECE = 64;  // numbers at a time

#ifdef PYQKIT_VNNI
// The same by a search tree, and of numbers that it is not sure of by the fences. None reaches the infinities that fill the tree
// up: shares are 1 at most, and gains and offsets of norms integers of 63 bits.
struct ByTree {
  const Nearest &n;
  int levels;

  explicit ByTree(const Nearest &n) : n(n), levels(levels_of(n.count)) {}

  bool piece(const double *low, const double *high, int count, int32_t *carriers) const {
    float from[PIECE], to[PIECE];
    uint8_t steps[PIECE];
    for (int i = 0; i < PIECE; ++i) from[i] = (float)low[i], to[i] = (float)high[i];
    uint64_t doubtful = find_steps<PIECE / 16>(levels, n.tree, from, steps);
    for (int i = 0; i < PIECE; i += 16)
      doubtful |=
          (uint64_t)_mm512_cmp_ps_mask(_mm512_loadu_ps(from + i), _mm512_loadu_ps(to + i), _CMP_NEQ_UQ) << i;
    for (int i = 0; i < count; ++i) carriers[i] = n.carriers[steps[i]];
    if (count < PIECE) doubtful &= ((uint64_t)1 << count) - 1;
    bool unsure = false;
    for (; doubtful; doubtful &= doubtful - 1) {
      const int i = __builtin_ctzll(doubtful);
      unsure |= BySearch{n}.one(low[i], high[i], carriers + i);
    }
    return unsure;
  }
};
#endif

template <class Round, class Ends>
bool in_pieces(const Round &round, int count, const Ends &ends, int32_t *carriers) {
  bool unsure = false;
  double low[PIECE] = {}, high[PIECE] = {};
  for (int first = 0; first < count; first += PIECE) {
    const int numbers = std::min(PIECE, count - first);
    for (int i = 0; i < numbers; ++i) {
      const Margin margin = ends(first + i);
      low[i] = margin.low, high[i] = margin.high;
    }
    unsure |= round.piece(low, high, numbers, carriers + first);
  }
  return unsure;
}

template <class Ends>
bool round_between(const BySearch &round, int count, const Ends &ends, int32_t *carriers) {
  return in_pieces(round, count, ends, carriers);
}
#ifdef PYQKIT_VNNI
template <class Ends>
bool round_between(const ByTree &round, int count, const Ends &ends, int32_t *carriers) {
  return in_pieces(round, count, ends, carriers);
}
#endif

// Calls `act` with how a format rounds: to the nearest, which is the same for numbers that no boundary parts, and from there to
// a carrier.
template <class Act> void rounded_by(const Nearest &n, Act act) {
#ifdef PYQKIT_VNNI
  if (n.tree) return act(ByTree(n));
#endif
  if (n.count)
    act(BySearch{n});
  else if (n.least == 0)
    act(ToWhole{n});
  else
    act(ByAddition{n});
}

}  // namespace
