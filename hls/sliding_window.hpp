// Sliding window: pixels in raster order to windows, ordered group by group, then kernel row, kernel column, channel.
//
// First FILL words come. Then, in every PERIOD trips, COUNT_IN words come and COUNT_OUT words go, evenly, so that windows leave
// while the pixels of the next ones arrive in a ring of RING pixels (pyqkit/dataflow/pace.py says how many, and that none is late
// or overwritten too early). Outside the image the window is PAD, the code of zero.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {

// Says yes COUNT times in PERIOD steps, evenly; the first step of all is a yes if it is EARLY.
template <int COUNT, int PERIOD, bool EARLY> struct Pace {
  static_assert(COUNT <= PERIOD, "once a step at most");
  Index<COUNT + PERIOD> sum = EARLY ? PERIOD - COUNT : 0;
  bool step() {
#pragma HLS INLINE
    const int next = int(sum) + COUNT;
    sum = next >= PERIOD ? next - PERIOD : next;
    return next >= PERIOD;
  }
};

// A place in a ring of SIZE, moved on by less than SIZE.
template <int SIZE> Index<SIZE> moved(Index<SIZE> place, int by) {
#pragma HLS INLINE
  const int next = int(place) + by;
  return next >= SIZE ? next - SIZE : next;
}

constexpr int modulo(int number, int size) { return (number % size + size) % size; }
constexpr int common_divisor(int a, int b) { return b == 0 ? a : common_divisor(b, a % b); }

// How a window moves through the ring: places are lines of the memory, LINES a pixel.
template <class S, int LINES> struct WindowWalk {
  static constexpr int SIZE = S::RING * LINES;
  static constexpr int ORIGIN = modulo(-(S::TOP * S::WIDTH + S::LEFT) * LINES, SIZE);
  Counter<S::KERNEL_W> kernel_column;
  Counter<S::KERNEL_H> kernel_row;
  Counter<S::GROUPS> group;
  Counter<S::COLUMNS> column;
  Index<SIZE> row_of_windows = ORIGIN, window = ORIGIN, kernel = ORIGIN, place = ORIGIN;
  int window_y = -S::TOP, window_x = -S::LEFT;  // the first pixel of the window
  int y = -S::TOP, x = -S::LEFT;                // the pixel that goes
  bool inside() const {
#pragma HLS INLINE
    return y >= 0 && y < S::HEIGHT && x >= 0 && x < S::WIDTH;
  }
  // Goes to the next pixel; says whether that is the first one of a group of channels or, then `all`, of a window.
  bool step(bool &all) {
#pragma HLS INLINE
    all = false;
    x += S::DILATION_W;
    place = moved<SIZE>(place, modulo(S::DILATION_W * LINES, SIZE));
    if (!kernel_column.step()) return false;
    x = window_x;
    y += S::DILATION_H;
    place = kernel = moved<SIZE>(kernel, modulo(S::DILATION_H * S::WIDTH * LINES, SIZE));
    if (!kernel_row.step()) return false;
    all = group.step();
    if (all) next_window();
    x = window_x;
    y = window_y;
    place = kernel = window;
    return true;
  }

 private:
  void next_window() {
#pragma HLS INLINE
    window_x += S::STRIDE_W;
    window = moved<SIZE>(window, modulo(S::STRIDE_W * LINES, SIZE));
    if (!column.step()) return;
    window_x = -S::LEFT;
    window_y += S::STRIDE_H;
    window = row_of_windows = moved<SIZE>(row_of_windows, modulo(S::STRIDE_H * S::WIDTH * LINES, SIZE));
  }
};

// Shape is a struct of constants: CODE_BITS; HEIGHT, WIDTH and CHANNELS of the image; ROWS and COLUMNS of the result; KERNEL_H and
// KERNEL_W, STRIDE_H and STRIDE_W, DILATION_H and DILATION_W; TOP and LEFT of the padding; GROUPS; LANES_IN and LANES_OUT; PAD;
// FILL, COUNT_IN, COUNT_OUT, PERIOD, RING and FRAME, the trips of a frame.
template <class S>
void sliding_window(hls::stream<Word<ap_uint<S::CODE_BITS>, S::LANES_IN>> &in,
                    hls::stream<Word<ap_uint<S::CODE_BITS>, S::LANES_OUT>> &out) {
  static constexpr int LANES_IN = S::LANES_IN, LANES_OUT = S::LANES_OUT, CHANNELS = S::CHANNELS;
  static_assert(CHANNELS % LANES_IN == 0 && CHANNELS % (S::GROUPS * LANES_OUT) == 0, "lanes divide channels");
  // A line of the memory holds whole words of both widths.
  static constexpr int LINE = LANES_IN / common_divisor(LANES_IN, LANES_OUT) * LANES_OUT;
  static constexpr int PARTS_IN = LINE / LANES_IN, PARTS_OUT = LINE / LANES_OUT, LINES = CHANNELS / LINE;
  static constexpr int WORDS_IN = S::HEIGHT * S::WIDTH * (CHANNELS / LANES_IN);
  static constexpr int POSITIONS = S::KERNEL_H * S::KERNEL_W;
  static constexpr int WORDS_OUT = S::ROWS * S::COLUMNS * POSITIONS * (CHANNELS / LANES_OUT);
  typedef WindowWalk<S, LINES> Walk;
  static constexpr int TRIPS = S::FRAME;
  PYQKIT_TRIPS(TRIPS);
  ap_uint<S::CODE_BITS> ring[Walk::SIZE][LINE];
#pragma HLS ARRAY_PARTITION variable = ring complete dim = 2
#pragma HLS BIND_STORAGE variable = ring type = ram_s2p
  Pace<S::COUNT_IN, S::PERIOD, false> coming;
  Pace<S::COUNT_OUT, S::PERIOD, true> going;
  Index<WORDS_IN> words_in = 0;
  Index<WORDS_OUT> words_out = 0;
  Counter<PARTS_IN> part_in;
  Counter<Walk::SIZE> place_in;
  Walk walk;
  Counter<CHANNELS / S::GROUPS / LANES_OUT> word;
  Index<PARTS_OUT> part = 0, group_part = 0;
  Index<LINES> line = 0, group_line = 0;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const bool filled = trip >= S::FILL;
    if (filled && going.step() && words_out < WORDS_OUT) {
      Word<ap_uint<S::CODE_BITS>, LANES_OUT> codes;
      for (int lane = 0; lane < LANES_OUT; ++lane) {
#pragma HLS UNROLL
        ap_uint<S::CODE_BITS> code = ring[walk.place + line][lane];
        for (int p = 1; p < PARTS_OUT; ++p) {
#pragma HLS UNROLL
          if (part == p) code = ring[walk.place + line][p * LANES_OUT + lane];
        }
        codes.lane[lane] = walk.inside() ? code : ap_uint<S::CODE_BITS>(S::PAD);
      }
      out.write(codes);
      words_out = words_out + 1;
      const bool line_ends = part == PARTS_OUT - 1;
      part = line_ends ? 0 : int(part) + 1;
      line = line_ends ? int(line) + 1 : int(line);
      if (word.step()) {
        bool window_ends;
        if (walk.step(window_ends)) {  // the next group of channels lies behind this one
          group_part = window_ends ? Index<PARTS_OUT>(0) : part;
          group_line = window_ends ? Index<LINES>(0) : line;
        }
        part = group_part;
        line = group_line;
      }
    }
    if ((!filled || coming.step()) && words_in < WORDS_IN) {
      const Word<ap_uint<S::CODE_BITS>, LANES_IN> codes = in.read();
      for (int p = 0; p < PARTS_IN; ++p) {
#pragma HLS UNROLL
        for (int lane = 0; lane < LANES_IN; ++lane) {
#pragma HLS UNROLL
          if (part_in.at == p) ring[place_in.at][p * LANES_IN + lane] = codes.lane[lane];
        }
      }
      words_in = words_in + 1;
      if (part_in.step()) place_in.step();
    }
  }
}

}  // namespace pyqkit
