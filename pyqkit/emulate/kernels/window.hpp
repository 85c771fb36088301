// Geometry of a convolution, as Python passes it.
#pragma once

struct Window {
  int frames, height, width, channels, rows, columns, outputs;
  int kernel_h, kernel_w, stride_h, stride_w, top, left, bottom, right;
};
