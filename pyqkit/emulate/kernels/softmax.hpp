// Softmax: the definition of pyqkit/graph/ops/softmax.py, whose terms are integers; their quotients are rounded where double is
// sure of the code.
#pragma once
#include <vector>

#include "carriers.hpp"
#include "nearest.hpp"

// What Python passes; pyqkit/emulate/operators/softmax.py has the same structure.
struct Scores {
  const uint8_t *ranks;    // of a score, from `low` on: exponents rise with ranks
  const int32_t *largest;  // by the highest rank of a row, the row of `terms`
  const int32_t *terms;    // [exponent][rank]
  int32_t low, count;      // of scores; ranks of a row of `terms`
  double gain;
};

namespace {

template <class In, class Out, class Round>
bool share_row(const In *x, int length, const Scores &s, const Round &round, uint8_t *ranks, int32_t *terms,
               Out *out) {
  uint8_t most = 0;
  for (int i = 0; i < length; ++i) ranks[i] = s.ranks[x[i] - s.low];
  for (int i = 0; i < length; ++i) most = ranks[i] > most ? ranks[i] : most;
  const int32_t *row = s.terms + (int64_t)s.largest[most] * s.count;
  int64_t sum = 0;
  for (int i = 0; i < length; ++i) {
    terms[i] = row[ranks[i]];
    sum += terms[i];
  }
  const double scale = s.gain / (double)sum, below = scale * (1 - MARGIN), above = scale * (1 + MARGIN);
  int64_t unsure = sum == 0;
  for (int i = 0; i < length; ++i) {
    const double from = round(terms[i] * below), to = round(terms[i] * above);
    unsure |= from != to;
    out[i] = (Out)(int32_t)from;
  }
  return unsure;
}

}  // namespace

extern "C" {

// Rows of `length` scores; how many are left to the definition, each marked in `unsure`.
int64_t pyqkit_softmax(const void *x, int type, int64_t rows, int length, const Scores *scores,
                       const Nearest *nearest, void *out, uint8_t *unsure) {
  std::vector<uint8_t> ranks(length);
  std::vector<int32_t> terms(length);
  int64_t left = 0;
  rounded_by(*nearest, [&](auto round) {
    as_typed(x, type, [&](auto *from) {
      as_typed(out, nearest->type, [&](auto *to) {
        for (int64_t row = 0; row < rows; ++row)
          left += unsure[row] = share_row(from + row * length, length, *scores, round, ranks.data(),
                                          terms.data(), to + row * length);
      });
    });
  });
  return left;
}
}
