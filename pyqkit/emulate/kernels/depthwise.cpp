// Convolutions of which each output has a channel of its own, in sums of 32 bits, with the requantiser that follows.
#include "requantise.hpp"
#include "scratch.hpp"
#include "tile.hpp"
#include "vector.hpp"
#include "window.hpp"

// What Python passes; emulate/carriers/depthwise.py has the same structure.
struct Depthwise {
  Window window;
  int32_t type;                    // of the activations: of at most 16 bits
  const int32_t *weights;          // [kernel][channel, padded to LANES]
  const Requantiser *requantiser;  // or none: then sums are the result
};

namespace {

// Sums of one vector of channels for some pixels, which stay in registers.
template <int PIXELS, class Element>
void channels_of(const Element *image, const Window &w, const int32_t *weights, int stride, int32_t *sums) {
  const int step = w.stride_w * w.channels;
  Ints found[PIXELS] = {};
  for (int ky = 0; ky < w.kernel_h; ++ky, image += w.row_elements())
    for (int kx = 0; kx < w.kernel_w; ++kx, weights += stride) {
      const Ints weight = loaded<Ints>(weights);
      const Element *from = image + kx * w.channels;
#pragma GCC unroll 8
      for (int p = 0; p < PIXELS; ++p) found[p] += widened(from + p * step) * weight;
    }
#pragma GCC unroll 8
  for (int p = 0; p < PIXELS; ++p) stored(sums + (int64_t)p * stride, VECTOR, found[p]);
}

// Sums of neighbours in a row.
template <class Element>
void row_of_channels(const Element *image, const Window &w, const int32_t *weights, int stride, int pixels,
                     int32_t *sums) {
  const int TOGETHER = 8, step = w.stride_w * w.channels;
  for (int c = 0; c < stride; c += VECTOR) {
    int done = 0;
    for (; pixels - done >= TOGETHER; done += TOGETHER)
      channels_of<TOGETHER>(image + done * step + c, w, weights + c, stride, sums + done * stride + c);
    for (; done < pixels; ++done)
      channels_of<1>(image + done * step + c, w, weights + c, stride, sums + done * stride + c);
  }
}

template <class Element> void depthwise(const Depthwise &what, const Element *x, int32_t *sums, void *out) {
  const Window &w = what.window;
  const int stride = (w.channels + LANES - 1) / LANES * LANES;
  // the last vector reads beyond its pixel, to lanes that nobody takes
  Element *image = scratch<Element, 0>((int64_t)w.padded_height() * w.row_elements() + LANES);
  int32_t *row_sums = scratch<int32_t, 1>((int64_t)SPAN * stride);
  for (int frame = 0; frame < w.frames; ++frame) {
    pad_image(
        x + (int64_t)frame * w.height * w.width * w.channels, w, (Element)0,
        [](Element value) { return value; }, image);
    for (int row = 0; row < w.rows; ++row)
      for (int first = 0; first < w.columns; first += SPAN) {
        const int pixels = w.columns - first < SPAN ? w.columns - first : SPAN;
        const Element *from =
            image + (int64_t)row * w.stride_h * w.row_elements() + (int64_t)first * w.stride_w * w.channels;
        row_of_channels(from, w, what.weights, stride, pixels, row_sums);
        const int64_t pixel = ((int64_t)frame * w.rows + row) * w.columns + first;
        if (what.requantiser)
          requantise(row_sums, pixels, w.channels, stride, *what.requantiser, out, pixel);
        else
          for (int p = 0; p < pixels; ++p)
            std::memcpy(sums + (pixel + p) * w.channels, row_sums + (int64_t)p * stride,
                        4 * (int64_t)w.channels);
      }
  }
}

}  // namespace

extern "C" {

// Exactly one of `sums` and `out` is given: `out` with a requantiser.
void pyqkit_depthwise(const Depthwise *what, const void *x, int32_t *sums, void *out) {
  if (what->type == 0) depthwise(*what, (const int8_t *)x, sums, out);
  if (what->type == 1) depthwise(*what, (const uint8_t *)x, sums, out);
  if (what->type == 2) depthwise(*what, (const int16_t *)x, sums, out);
}
}
