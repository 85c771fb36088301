// Softmax: the definition of pyqkit/graph/ops/softmax.py, whose terms are integers; their quotients are rounded where double is
// sure of the code.
#include <vector>

#include "carriers.hpp"
#include "nearest.hpp"

// What Python passes; pyqkit/emulate/operators/softmax.py has the same structure.
struct Scores {
  const uint8_t
      *ranks;  // of a score, from `low` on: exponents rise with ranks; null where they rise with scores
  const int32_t *largest;  // by the highest rank of a row, the row of `terms`
  const int32_t *terms;    // [exponent][rank]
  int32_t low, count;      // of scores; ranks of a row of `terms`
  double gain;
};

namespace {

// Scores of a row, each replaced by its share.
template <class Round> bool share_row(const Scores &s, const Round &round, int length, int32_t *x) {
  int32_t most = 0;
  if (s.ranks)
    for (int i = 0; i < length; ++i) x[i] = s.ranks[x[i] - s.low];
  else
    for (int i = 0; i < length; ++i) x[i] -= s.low;
  for (int i = 0; i < length; ++i) most = x[i] > most ? x[i] : most;
  const int32_t *row = s.terms + (int64_t)s.largest[most] * s.count;
  int64_t sum = 0;
  for (int i = 0; i < length; ++i) {
    x[i] = row[x[i]];
    sum += x[i];
  }
  const double scale = s.gain / (double)sum, below = scale * (1 - MARGIN), above = scale * (1 + MARGIN);
  const bool unsure =
      round_between(round, length, [&](int i) { return Margin{x[i] * below, x[i] * above}; }, x);
  return unsure || sum == 0;
}

}  // namespace

extern "C" {

// Rows of `length` scores; how many are left to the definition, each marked in `unsure`.
int64_t pyqkit_softmax(const void *x, int type, int64_t rows, int length, const Scores *scores,
                       const Nearest *nearest, void *out, uint8_t *unsure) {
  std::vector<int32_t> row(length);
  int64_t left = 0;
  rounded_by(*nearest, [&](auto round) {
    for (int64_t i = 0; i < rows; ++i) {
      widen(x, type, i * length, length, row.data());
      left += unsure[i] = share_row(*scores, round, length, row.data());
      narrow(row.data(), length, out, nearest->type, i * length);
    }
  });
  return left;
}
}
