// Norms: the definition of pyqkit/graph/ops/layer_norm.py, whose moments are integers; results are rounded where double is sure
// of the code.
#include <cmath>
#include <vector>

#include "carriers.hpp"
#include "nearest.hpp"

// What Python passes; pyqkit/emulate/operators/layer_norm.py has the same structure.
struct Norm {
  const double *gains, *offsets;  // by channel
  const int32_t *integers;        // by code, where codes come
  double epsilon;
  int32_t channels, centred;
};

namespace {

// Integers of a pixel, each replaced by its result.
template <class Round> bool norm_pixel(const Norm &n, const Round &round, int32_t *x) {
  int64_t sum = 0, squares = 0;
  for (int c = 0; c < n.channels; ++c) {
    sum += x[c];
    squares += (int64_t)x[c] * x[c];
  }
  if (!n.centred) sum = 0;
  const double count = n.channels, moved = (double)sum;  // integers below 2**32
  const double inverse = 1 / std::sqrt((double)(n.channels * squares - sum * sum) + n.epsilon);
  return round_between(
      round, n.channels,
      [&](int c) {
        const double scaled = (x[c] * count - moved) * n.gains[c] * inverse, near = scaled + n.offsets[c];
        const double margin = (std::fabs(scaled) + std::fabs(n.offsets[c])) * (2 * MARGIN);
        return Margin{near - margin, near + margin};
      },
      x);
}

}  // namespace

extern "C" {

// How many pixels are left to the definition, each marked in `unsure`.
int64_t pyqkit_layer_norm(const void *x, int type, int64_t pixels, const Norm *norm, const Nearest *nearest,
                          void *out, uint8_t *unsure) {
  std::vector<int32_t> integers(norm->channels);
  int64_t left = 0;
  rounded_by(*nearest, [&](auto round) {
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      const int64_t first = pixel * norm->channels;
      widen(x, type, first, norm->channels, integers.data());
      if (norm->integers)
        for (int32_t &code : integers) code = norm->integers[code];
      left += unsure[pixel] = norm_pixel(*norm, round, integers.data());
      narrow(integers.data(), norm->channels, out, nearest->type, first);
    }
  });
  return left;
}
}
