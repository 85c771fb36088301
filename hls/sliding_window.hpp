// Sliding window: pixels in raster order to windows, ordered group by group, then kernel row, kernel column, channel.
//
// Before each output pixel it reads exactly the input pixels that the window needs and no more: FIFO depths rely on this.
// Rows are kept in a ring of as many rows as the window spans. Outside the image it writes PAD, the code of zero.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {

// Shape is a struct of constants: CODE_BITS; HEIGHT, WIDTH and CHANNELS of the image; ROWS and COLUMNS of the result; KERNEL_H and
// KERNEL_W, STRIDE_H and STRIDE_W, DILATION_H and DILATION_W; TOP and LEFT of the padding; GROUPS; LANES_IN and LANES_OUT; PAD.
template <class Shape>
void sliding_window(hls::stream<Word<ap_uint<Shape::CODE_BITS>, Shape::LANES_IN>> &in,
                    hls::stream<Word<ap_uint<Shape::CODE_BITS>, Shape::LANES_OUT>> &out) {
  static const int CODE_BITS = Shape::CODE_BITS, LANES_IN = Shape::LANES_IN, LANES_OUT = Shape::LANES_OUT;
  static const int HEIGHT = Shape::HEIGHT, WIDTH = Shape::WIDTH, CHANNELS = Shape::CHANNELS,
                   ROWS = Shape::ROWS, COLUMNS = Shape::COLUMNS;
  static const int KERNEL_H = Shape::KERNEL_H, STRIDE_H = Shape::STRIDE_H, DILATION_H = Shape::DILATION_H,
                   TOP = Shape::TOP;
  static const int KERNEL_W = Shape::KERNEL_W, STRIDE_W = Shape::STRIDE_W, DILATION_W = Shape::DILATION_W,
                   LEFT = Shape::LEFT;
  static const int SPAN = (KERNEL_H - 1) * DILATION_H + 1;
  static const int GROUP_CHANNELS = CHANNELS / Shape::GROUPS;
  static_assert(CHANNELS % LANES_IN == 0 && GROUP_CHANNELS % LANES_OUT == 0, "lanes divide channels");
  ap_uint<CODE_BITS> lines[SPAN][WIDTH][CHANNELS];
  int read_row = 0, read_column = 0;  // the next pixel to arrive
  for (int row = 0; row < ROWS; ++row) {
    for (int column = 0; column < COLUMNS; ++column) {
      const int last_row = row * STRIDE_H + (KERNEL_H - 1) * DILATION_H - TOP;
      const int last_column = column * STRIDE_W + (KERNEL_W - 1) * DILATION_W - LEFT;
      const int until_row = last_row < 0 ? 0 : last_row < HEIGHT ? last_row : HEIGHT - 1;
      const int until_column = last_column < 0 ? 0 : last_column < WIDTH ? last_column : WIDTH - 1;
      while (read_row < until_row || (read_row == until_row && read_column <= until_column)) {
        for (int channel = 0; channel < CHANNELS; channel += LANES_IN) {
#pragma HLS PIPELINE II = 1
          const Word<ap_uint<CODE_BITS>, LANES_IN> word = in.read();
          for (int lane = 0; lane < LANES_IN; ++lane) {
#pragma HLS UNROLL
            lines[read_row % SPAN][read_column][channel + lane] = word.lane[lane];
          }
        }
        read_column = read_column + 1 == WIDTH ? 0 : read_column + 1;
        if (read_column == 0) ++read_row;
      }
      for (int group = 0; group < Shape::GROUPS; ++group) {
        for (int kernel_row = 0; kernel_row < KERNEL_H; ++kernel_row) {
          for (int kernel_column = 0; kernel_column < KERNEL_W; ++kernel_column) {
            const int y = row * STRIDE_H + kernel_row * DILATION_H - TOP;
            const int x = column * STRIDE_W + kernel_column * DILATION_W - LEFT;
            const bool inside = y >= 0 && y < HEIGHT && x >= 0 && x < WIDTH;
            for (int channel = 0; channel < GROUP_CHANNELS; channel += LANES_OUT) {
#pragma HLS PIPELINE II = 1
              Word<ap_uint<CODE_BITS>, LANES_OUT> word;
              for (int lane = 0; lane < LANES_OUT; ++lane) {
#pragma HLS UNROLL
                word.lane[lane] = inside ? lines[y % SPAN][x][group * GROUP_CHANNELS + channel + lane]
                                         : ap_uint<CODE_BITS>(Shape::PAD);
              }
              out.write(word);
            }
          }
        }
      }
    }
  }
  // Pixels that no window needs still belong to this frame.
  while (read_row < HEIGHT) {
    for (int channel = 0; channel < CHANNELS; channel += LANES_IN) {
#pragma HLS PIPELINE II = 1
      in.read();
    }
    read_column = read_column + 1 == WIDTH ? 0 : read_column + 1;
    if (read_column == 0) ++read_row;
  }
}

}  // namespace pyqkit
