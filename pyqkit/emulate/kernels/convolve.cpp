// Integer convolutions of bytes or words, channels last, in sums of 32 bits, with what follows them.
#include "add.hpp"
#include "carriers.hpp"
#include "codes.hpp"
#include "scratch.hpp"
#include "tile.hpp"
#include "window.hpp"

// What Python passes; emulate/carriers/narrow.py has the same structure.
struct Convolution {
  Window window;
  int32_t type;           // of the activations
  int32_t group;          // elements of an inner product: 4 bytes or 2 words
  int32_t flip;           // signed bytes become unsigned ones, larger by 128
  int32_t together;       // steps of byte pairs whose sums fit 16 bits, or 0 if there are no steps
  int32_t codes, copies;  // of a format whose codes are looked up, and words of each, which are channels
  const void *weights;    // [block][kernel row][group][lane][element], or [step][lane][element]
  const int32_t *places;  // of steps in the image
  const int32_t *ends;    // of the steps of a block
  const int32_t *start;   // of the sums, [output]
  const int16_t *words;   // [code][copy], or null
  const int32_t *scale;   // of the sums before another branch is added, [output]
  const Requantiser *requantiser;
};

namespace {

// Where the sums of a row go: as they are, or through the other branch and the requantiser.
struct Behind {
  const Convolution &what;
  int32_t *sums;
  const Term *joined;
  void *out;

  void operator()(int32_t *row, int pixels, int stride, int64_t first) const {
    const int outputs = what.window.outputs;
    if (!what.requantiser) {
      for (int p = 0; p < pixels; ++p)
        std::memcpy(sums + (first + p) * outputs, row + (int64_t)p * stride, 4 * (int64_t)outputs);
    } else if (joined && what.requantiser->affine && joins_in_registers(*joined, *what.requantiser->affine)) {
      join_and_requantise(row, pixels, outputs, stride, what.scale, *joined, *what.requantiser->affine, out,
                          first);
    } else {
      if (joined) add_term(*joined, first, pixels, outputs, stride, what.scale, row);
      requantise(row, pixels, outputs, stride, *what.requantiser, out, first);
    }
  }
};

// The image as the inner product takes it: itself where nothing is to change, else a copy.
template <class Element, int GROUP>
const char *image_of(const Convolution &what, const Window &w, const void *x, int frame) {
  const int64_t at = (int64_t)frame * w.height * w.width * w.channels;
  const bool whole = w.kernel_w * w.channels % GROUP == 0;  // a group never ends in the next pixel
  const bool same = element_bytes(what.type) == sizeof(Element) && !what.flip && !what.words;
  if (whole && same && !(w.top || w.left || w.bottom || w.right))
    return (const char *)x + at * sizeof(Element);
  Element *padded = scratch<Element, 0>((int64_t)w.padded_height() * w.row_elements() + GROUP);
  const int flip = what.flip ? 128 : 0;
  if (what.words) {
    const uint8_t *codes = (const uint8_t *)x + at / what.copies;
    const int count = w.width * w.channels / what.copies;
    const auto fill = [&](int y, Element *to) {
      const uint8_t *row = codes + (int64_t)y * count;
      if constexpr (GROUP == 2)
        if (what.copies == 2) return expand_pairs(row, count, what.words, what.codes <= FEW, to);
      expand(row, count, what.words, what.copies, flip, to);
    };
    pad_rows(w, (Element)flip, fill, padded);
    return (const char *)padded;
  }
  as_typed(x, what.type, [&](const auto *elements) {
    const auto *image = elements + at;
    pad_image(image, w, (Element)flip, [flip](auto value) { return (Element)(value + flip); }, padded);
  });
  return (const char *)padded;
}

template <class Element, int GROUP>
void convolve(const Convolution &what, const void *x, RowOfTiles *row_of_tiles, const Behind &behind) {
  const Window w = flattened(what.window);
  const int64_t element = sizeof(Element);
  const int blocks = (w.outputs + LANES - 1) / LANES, stride = blocks * LANES;
  const char *rows[64];
  Taps taps = {rows, w.kernel_h, (w.kernel_w * w.channels + GROUP - 1) / GROUP,
               (int)(w.stride_w * w.channels * element), 0};
  taps.places = what.places, taps.ends = what.ends, taps.together = what.together;
  taps.panel_bytes = (int64_t)w.kernel_h * taps.groups * LANES * 4;
  int32_t *sums = scratch<int32_t, 1>((int64_t)SPAN * stride);
  for (int frame = 0; frame < w.frames; ++frame) {
    const char *image = image_of<Element, GROUP>(what, w, x, frame);
    for (int row = 0; row < w.rows; ++row)
      for (int first = 0; first < w.columns; first += SPAN) {
        const int pixels = w.columns - first < SPAN ? w.columns - first : SPAN;
        for (int ky = 0; ky < w.kernel_h; ++ky)
          rows[ky] = image + (int64_t)(row * w.stride_h + ky) * w.row_elements() * element +
                     (int64_t)first * taps.stride_bytes;
        row_of_tiles(taps, pixels, blocks, (const char *)what.weights, what.start, sums, stride);
        behind(sums, pixels, stride, ((int64_t)frame * w.rows + row) * w.columns + first);
      }
  }
}

}  // namespace

extern "C" {

// Exactly one of `sums` and `out` is given: `out` with a requantiser, and then perhaps the other branch of a sum.
void pyqkit_convolve(const Convolution *what, const void *x, int32_t *sums, const Term *joined, void *out) {
  const Behind behind = {*what, sums, joined, out};
  if (what->group == 2)
    convolve<int16_t, 2>(*what, x, row_of_words, behind);
  else
    convolve<uint8_t, 4>(*what, x, row_of_bytes, behind);
}
}
