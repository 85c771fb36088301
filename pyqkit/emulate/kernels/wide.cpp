// Convolutions in float64 whose operands stand for integers, for formats of wide range; exact below 2**53.
#include <vector>

#include "requantise.hpp"
#include "vector.hpp"
#include "window.hpp"

// Where sums of a wide convolution go: as they are, or requantised as integers of 32 or 64 bits. One of `sums` and `out` is given.
struct Sums {
  double *sums;
  int32_t wide;
  const Requantiser *requantiser;
  void *out;
};

namespace {

typedef double Eight __attribute__((vector_size(64)));  // g++ splits it where registers are shorter

Eight widened(const float *from) {
#ifdef PYQKIT_VNNI
  return (Eight)_mm512_cvtps_pd(_mm256_loadu_ps(from));  // g++ 12 widens in halves and joins them
#else
  Eight to;
  for (int i = 0; i < 8; ++i) to[i] = from[i];
  return to;
#endif
}

template <class Sum>
void requantise_sums(const double *sums, int pixels, int channels, const Sums &to, int64_t first) {
  std::vector<Sum> integers((int64_t)pixels * channels);
  for (size_t i = 0; i < integers.size(); ++i) integers[i] = (Sum)sums[i];
  requantise(integers.data(), pixels, channels, channels, *to.requantiser, to.out, first);
}

// A row of sums, `columns` from pixel `first` on.
void finish(const double *sums, int columns, int channels, const Sums &to, int64_t first) {
  if (to.sums)
    std::memcpy(to.sums + first * channels, sums, sizeof(double) * columns * channels);
  else if (to.wide)
    requantise_sums<int64_t>(sums, columns, channels, to, first);
  else
    requantise_sums<int32_t>(sums, columns, channels, to, first);
}

}  // namespace

extern "C" {

// Convolution of float64 operands that stand for integers, into float64 sums (exact below 2**53), for formats of wide range.
void pyqkit_convolve_wide(const double *x, const int32_t *shape, const double *weights, const Sums *out) {
  Window w;
  std::memcpy(&w, shape, sizeof w);
  const int width = w.left + w.width + w.right, blocks = (w.outputs + LANES - 1) / LANES,
            depth = w.kernel_w * w.channels;
  std::vector<double> padded((int64_t)(w.top + w.height + w.bottom) * width * w.channels);
  std::vector<double> found((int64_t)w.columns * w.outputs);
  const int PIXELS = 4;
  for (int frame = 0; frame < w.frames; ++frame) {
    for (int y = 0; y < w.height; ++y)
      std::memcpy(&padded[((int64_t)(y + w.top) * width + w.left) * w.channels],
                  x + ((int64_t)frame * w.height + y) * w.width * w.channels,
                  sizeof(double) * w.width * w.channels);
    for (int row = 0; row < w.rows; ++row) {
      for (int first = 0; first < w.columns; first += PIXELS) {
        const int n = w.columns - first < PIXELS ? w.columns - first : PIXELS;
        for (int block = 0; block < blocks; ++block) {
          Eight sums[PIXELS][2] = {};
          const double *panel = weights + (int64_t)block * w.kernel_h * depth * LANES;
          for (int ky = 0; ky < w.kernel_h; ++ky) {
            const double *from =
                &padded[((int64_t)(row * w.stride_h + ky) * width + first * w.stride_w) * w.channels];
            const int step = w.stride_w * w.channels;
            const double *rows[PIXELS];
            for (int p = 0; p < PIXELS; ++p) rows[p] = from + (p < n ? p : 0) * step;
            for (int k = 0; k < depth; ++k, panel += LANES) {
              Eight low, high;
              std::memcpy(&low, panel, sizeof low);
              std::memcpy(&high, panel + 8, sizeof high);
              for (int p = 0; p < PIXELS; ++p) {
                sums[p][0] += rows[p][k] * low;
                sums[p][1] += rows[p][k] * high;
              }
            }
          }
          for (int p = 0; p < n; ++p) {
            double *to = &found[(int64_t)(first + p) * w.outputs + block * LANES];
            for (int lane = 0; lane < LANES && block * LANES + lane < w.outputs; ++lane)
              to[lane] = sums[p][lane / 8][lane % 8];
          }
        }
      }
      finish(found.data(), w.columns, w.outputs, *out, ((int64_t)frame * w.rows + row) * w.columns);
    }
  }
}

// Convolution of codes whose products are no plain products: an activation chooses one of several weight matrices and scales
// it by a power of two. `chosen` and `scale` are by code, `weights` [block][matrix][kernel element][lane]; exact below 2**53.
void pyqkit_convolve_chosen(const uint8_t *x, const int32_t *shape, int zero_code, int codes,
                            const int32_t *chosen, const double *scale, int matrices, const float *weights,
                            const Sums *out) {
  Window w;
  std::memcpy(&w, shape, sizeof w);
  const int width = w.left + w.width + w.right, blocks = (w.outputs + LANES - 1) / LANES,
            depth = w.kernel_w * w.channels;
  const int64_t matrix = (int64_t)w.kernel_h * depth * LANES;
  std::vector<uint8_t> padded((int64_t)(w.top + w.height + w.bottom) * width * w.channels);
  int64_t offset[256];
  for (int code = 0; code < codes; ++code) offset[code] = chosen[code] * matrix;
  std::vector<double> found((int64_t)w.columns * w.outputs);
  const int PIXELS = 4;
  for (int frame = 0; frame < w.frames; ++frame) {
    std::memset(padded.data(), zero_code, padded.size());
    for (int y = 0; y < w.height; ++y)
      std::memcpy(&padded[((int64_t)(y + w.top) * width + w.left) * w.channels],
                  x + ((int64_t)frame * w.height + y) * w.width * w.channels, w.width * w.channels);
    for (int row = 0; row < w.rows; ++row) {
      for (int block = 0; block < blocks; ++block)
        for (int first = 0; first < w.columns; first += PIXELS) {
          const int n = w.columns - first < PIXELS ? w.columns - first : PIXELS;
          Eight sums[PIXELS][2] = {};
          const float *panel = weights + (int64_t)block * matrices * matrix;
          for (int ky = 0; ky < w.kernel_h; ++ky) {
            const uint8_t *from =
                &padded[((int64_t)(row * w.stride_h + ky) * width + first * w.stride_w) * w.channels];
            const int step = w.stride_w * w.channels;
            const uint8_t *rows[PIXELS];
            for (int p = 0; p < PIXELS; ++p) rows[p] = from + (p < n ? p : 0) * step;
            for (int k = 0; k < depth; ++k, panel += LANES)
#pragma GCC unroll 4
              for (int p = 0; p < PIXELS; ++p) {
                const int code = rows[p][k];
                const float *lanes = panel + offset[code];
                sums[p][0] += scale[code] * widened(lanes);
                sums[p][1] += scale[code] * widened(lanes + 8);
              }
          }
          for (int p = 0; p < n; ++p) {
            double *to = &found[(int64_t)(first + p) * w.outputs + block * LANES];
            for (int lane = 0; lane < LANES && block * LANES + lane < w.outputs; ++lane)
              to[lane] = sums[p][lane / 8][lane % 8];
          }
        }
      finish(found.data(), w.columns, w.outputs, *out, ((int64_t)frame * w.rows + row) * w.columns);
    }
  }
}
}
