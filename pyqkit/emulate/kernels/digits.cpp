// Convolutions of integers that are wider than words: operands are split into digits that are words, each pass sums products
// of a digit of both in 32 bits, and all passes, each worth a factor, are the sum in 64 bits. Python proves all of that.
#include "carriers.hpp"
#include "requantise.hpp"
#include "scratch.hpp"
#include "tile.hpp"
#include "window.hpp"

// What a pass multiplies of an activation x: ((x >> shift[0]) & mask[0]) + ((x >> shift[1]) & mask[1]).
struct Plane {
  int32_t shift[2], mask[2];
};

// What Python passes; emulate/carriers/digits.py has the same structure.
struct Digits {
  Window window;
  int32_t type;  // of the activations: as others, and 4 for int64
  int32_t planes, passes, other_type;
  int32_t wide;  // whether the requantiser reads sums of 64 bits, not 32
  const Plane *plane;
  const int32_t *plane_of;         // [pass]
  const int64_t *worth;            // [pass]
  const void *weights;             // [pass][block][kernel row][group][lane][element]
  const int64_t *scale, *factor;   // of the sums and of the other branch, [output], if it is given
  const Requantiser *requantiser;  // or none: then 64-bit sums are the result
};

namespace {

template <class From>
void planes_of(const From *image, const Digits &d, const Window &w, int64_t size, int16_t *padded) {
  for (int i = 0; i < d.planes; ++i) {
    const Plane p = d.plane[i];
    pad_image(
        image, w, (int16_t)0,
        [p](From x) { return (int16_t)(((x >> p.shift[0]) & p.mask[0]) + ((x >> p.shift[1]) & p.mask[1])); },
        padded + i * size);
  }
}

// Calls `act` with elements of a type: as others, and 4 for int64.
template <class Act> void as_typed_or_long(const void *values, int type, Act act) {
  if (type == 4)
    act((const int64_t *)values);
  else
    as_typed(values, type, act);
}

// total = total + sums * worth, or without the first; wraps as what is added may, the whole does not.
inline void add_pass(const int32_t *sums, int64_t count, int64_t worth, bool first, int64_t *total) {
  const uint64_t times = (uint64_t)worth;
  if (first)
    for (int64_t i = 0; i < count; ++i) total[i] = (int64_t)((uint64_t)(int64_t)sums[i] * times);
  else
    for (int64_t i = 0; i < count; ++i)
      total[i] = (int64_t)((uint64_t)total[i] + (uint64_t)(int64_t)sums[i] * times);
}

// total = total * scale + x * factor, of pixels whose totals are `stride` apart.
template <class T>
void add_branch(const T *x, int pixels, int channels, int stride, const int64_t *scale, const int64_t *factor,
                int64_t *total) {
  for (int p = 0; p < pixels; ++p)
    for (int c = 0; c < channels; ++c) {
      int64_t &sum = total[(int64_t)p * stride + c];
      sum = sum * scale[c] + x[(int64_t)p * channels + c] * factor[c];
    }
}

}  // namespace

extern "C" {

// `other` is the other branch of a residual sum, or null.
void pyqkit_convolve_digits(const Digits *digits, const void *x, const void *other, void *out) {
  const Digits &d = *digits;
  const Window w = flattened(d.window);
  const int blocks = (w.outputs + LANES - 1) / LANES, stride = blocks * LANES;
  const char *rows[64];
  Taps taps = {rows, w.kernel_h, (w.kernel_w * w.channels + 1) / 2, w.stride_w * w.channels * 2, 0};
  taps.panel_bytes = (int64_t)w.kernel_h * taps.groups * LANES * 4;
  const int64_t size = (int64_t)w.padded_height() * w.row_elements() + 2;
  int16_t *images = scratch<int16_t, 0>(d.planes * size);
  int32_t *sums = scratch<int32_t, 1>((int64_t)SPAN * stride);
  int64_t *total = scratch<int64_t, 2>((int64_t)SPAN * stride);
  int32_t *start = scratch<int32_t, 3>(stride);
  std::memset(start, 0, 4 * stride);
  for (int frame = 0; frame < w.frames; ++frame) {
    const int64_t at = (int64_t)frame * w.height * w.width * w.channels;
    as_typed_or_long(x, d.type, [&](const auto *elements) { planes_of(elements + at, d, w, size, images); });
    for (int row = 0; row < w.rows; ++row)
      for (int first = 0; first < w.columns; first += SPAN) {
        const int pixels = w.columns - first < SPAN ? w.columns - first : SPAN;
        for (int pass = 0; pass < d.passes; ++pass) {
          const int16_t *image = images + d.plane_of[pass] * size;
          for (int ky = 0; ky < w.kernel_h; ++ky)
            rows[ky] = (const char *)(image + (int64_t)(row * w.stride_h + ky) * w.row_elements()) +
                       (int64_t)first * taps.stride_bytes;
          row_of_words(taps, pixels, blocks, (const char *)d.weights + pass * blocks * taps.panel_bytes,
                       start, sums, stride);
          add_pass(sums, (int64_t)pixels * stride, d.worth[pass], pass == 0, total);
        }
        const int64_t pixel = ((int64_t)frame * w.rows + row) * w.columns + first;
        if (other)
          as_typed_or_long(other, d.other_type, [&](const auto *branch) {
            add_branch(branch + pixel * w.outputs, pixels, w.outputs, stride, d.scale, d.factor, total);
          });
        if (d.requantiser && !d.wide) {
          for (int64_t i = 0; i < (int64_t)pixels * stride; ++i) sums[i] = (int32_t)total[i];
          requantise(sums, pixels, w.outputs, stride, *d.requantiser, out, pixel);
        } else if (d.requantiser) {
          requantise(total, pixels, w.outputs, stride, *d.requantiser, out, pixel);
        } else {
          for (int p = 0; p < pixels; ++p)
            std::memcpy((int64_t *)out + (pixel + p) * w.outputs, total + (int64_t)p * stride,
                        8 * (int64_t)w.outputs);
        }
      }
  }
}
}
