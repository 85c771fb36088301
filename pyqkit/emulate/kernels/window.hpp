// Geometry of a convolution, as Python passes it, and images with their border.
#pragma once
#include <cstdint>
#include <cstring>

struct Window {
  int frames, height, width, channels, rows, columns, outputs;
  int kernel_h, kernel_w, stride_h, stride_w, top, left, bottom, right;

  int padded_height() const { return top + height + bottom; }
  int row_elements() const { return (left + width + right) * channels; }
};

namespace {

// One image with `border` around it; `fill` writes a row of it.
template <class To, class Fill> void pad_rows(const Window &w, To border, const Fill &fill, To *padded) {
  const int row = w.row_elements(), inner = w.width * w.channels;
  const int left = w.left * w.channels, right = w.right * w.channels;
  for (int64_t i = 0; i < (int64_t)w.top * row; ++i) padded[i] = border;
  To *to = padded + (int64_t)w.top * row;
  for (int y = 0; y < w.height; ++y, to += row) {
    for (int i = 0; i < left; ++i) to[i] = border;
    fill(y, to + left);
    for (int i = 0; i < right; ++i) to[left + inner + i] = border;
  }
  for (int64_t i = 0; i < (int64_t)w.bottom * row; ++i) to[i] = border;
}

// The same, each element through `convert`.
template <class From, class To, class Convert>
void pad_image(const From *image, const Window &w, To border, const Convert &convert, To *padded) {
  const int inner = w.width * w.channels;
  const auto fill = [&](int y, To *to) {
    const From *from = image + (int64_t)y * inner;
    for (int i = 0; i < inner; ++i) to[i] = convert(from[i]);
  };
  pad_rows(w, border, fill, padded);
}

// Whether every window is a pixel of its own.
inline bool is_pointwise(const Window &w) {
  const bool alone = w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 && w.stride_w == 1;
  return alone && !(w.top || w.left || w.bottom || w.right);
}

// One pixel after the other, where no window has a neighbour: one row of all frames.
inline Window flattened(const Window &w) {
  const int64_t pixels = (int64_t)w.frames * w.height * w.width;
  if (!is_pointwise(w) || pixels * w.channels > INT32_MAX / 8) return w;
  Window flat = w;
  flat.frames = flat.height = flat.rows = 1;
  flat.width = flat.columns = (int)pixels;
  return flat;
}

}  // namespace
