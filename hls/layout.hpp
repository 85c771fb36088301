// Blocks that move codes and change none.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {

// The same stream in words of another width. One width divides the other.
template <class T, int COUNT, int LANES_IN, int LANES_OUT>
void convert_width(hls::stream<Word<T, LANES_IN>> &in, hls::stream<Word<T, LANES_OUT>> &out) {
  static const int WIDE = LANES_IN > LANES_OUT ? LANES_IN : LANES_OUT;
  static_assert(COUNT % WIDE == 0 && (LANES_IN % LANES_OUT == 0 || LANES_OUT % LANES_IN == 0), "one width divides the other");
  for (int first = 0; first < COUNT; first += WIDE) {
    T buffer[WIDE];
#pragma HLS ARRAY_PARTITION variable = buffer complete
    for (int at = 0; at < WIDE; at += LANES_IN) {
      const Word<T, LANES_IN> word = in.read();
      for (int lane = 0; lane < LANES_IN; ++lane) buffer[at + lane] = word.lane[lane];
    }
    for (int at = 0; at < WIDE; at += LANES_OUT) {
      Word<T, LANES_OUT> word;
      for (int lane = 0; lane < LANES_OUT; ++lane) word.lane[lane] = buffer[at + lane];
      out.write(word);
    }
  }
}

// Two copies of a stream; more readers take a tree of forks.
template <class T, int WORDS, int LANES>
void fork(hls::stream<Word<T, LANES>> &in, hls::stream<Word<T, LANES>> &first, hls::stream<Word<T, LANES>> &second) {
  for (int i = 0; i < WORDS; ++i) {
#pragma HLS PIPELINE II = 1
    const Word<T, LANES> word = in.read();
    first.write(word);
    second.write(word);
  }
}

// Output channel c is input channel Table::channel(c).
template <class T, int PIXELS, int CHANNELS_IN, int CHANNELS_OUT, int LANES_IN, int LANES_OUT, class Table>
void permute(hls::stream<Word<T, LANES_IN>> &in, hls::stream<Word<T, LANES_OUT>> &out) {
  T pixel_codes[CHANNELS_IN];
  for (int pixel = 0; pixel < PIXELS; ++pixel) {
    for (int channel = 0; channel < CHANNELS_IN; channel += LANES_IN) {
#pragma HLS PIPELINE II = 1
      const Word<T, LANES_IN> word = in.read();
      for (int lane = 0; lane < LANES_IN; ++lane) pixel_codes[channel + lane] = word.lane[lane];
    }
    for (int channel = 0; channel < CHANNELS_OUT; channel += LANES_OUT) {
#pragma HLS PIPELINE II = 1
      Word<T, LANES_OUT> word;
      for (int lane = 0; lane < LANES_OUT; ++lane) word.lane[lane] = pixel_codes[Table::channel(channel + lane)];
      out.write(word);
    }
  }
}

// Rows and columns START, START + STEP, ... of an image, SIZE of them.
template <class T, int HEIGHT, int WIDTH, int CHANNELS, int LANES, int START_H, int START_W, int STEP_H, int STEP_W, int SIZE_H, int SIZE_W>
void slice(hls::stream<Word<T, LANES>> &in, hls::stream<Word<T, LANES>> &out) {
  for (int row = 0; row < HEIGHT; ++row) {
    for (int column = 0; column < WIDTH; ++column) {
      const int y = row - START_H, x = column - START_W;
      const bool kept = y >= 0 && y % STEP_H == 0 && y / STEP_H < SIZE_H && x >= 0 && x % STEP_W == 0 && x / STEP_W < SIZE_W;
      for (int channel = 0; channel < CHANNELS; channel += LANES) {
#pragma HLS PIPELINE II = 1
        const Word<T, LANES> word = in.read();
        if (kept) out.write(word);
      }
    }
  }
}

// Adds rows, columns and channels of the code ZERO.
template <class T, int HEIGHT, int WIDTH, int CHANNELS, int LANES, int TOP, int LEFT, int FRONT, int BOTTOM, int RIGHT, int BACK, int ZERO>
void pad(hls::stream<Word<T, LANES>> &in, hls::stream<Word<T, LANES>> &out) {
  static_assert(CHANNELS % LANES == 0 && FRONT % LANES == 0 && BACK % LANES == 0, "lanes divide channels and padding");
  for (int row = 0; row < TOP + HEIGHT + BOTTOM; ++row) {
    for (int column = 0; column < LEFT + WIDTH + RIGHT; ++column) {
      const bool inside = row >= TOP && row < TOP + HEIGHT && column >= LEFT && column < LEFT + WIDTH;
      for (int channel = 0; channel < FRONT + CHANNELS + BACK; channel += LANES) {
#pragma HLS PIPELINE II = 1
        Word<T, LANES> word;
        if (inside && channel >= FRONT && channel < FRONT + CHANNELS) {
          word = in.read();
        } else {
          for (int lane = 0; lane < LANES; ++lane) word.lane[lane] = T(ZERO);
        }
        out.write(word);
      }
    }
  }
}

// Channels of two streams, one after the other; more streams are joined one by one.
template <class T, int PIXELS, int CHANNELS_A, int CHANNELS_B, int LANES>
void concat(hls::stream<Word<T, LANES>> &first, hls::stream<Word<T, LANES>> &second, hls::stream<Word<T, LANES>> &out) {
  for (int pixel = 0; pixel < PIXELS; ++pixel) {
    for (int channel = 0; channel < CHANNELS_A + CHANNELS_B; channel += LANES) {
#pragma HLS PIPELINE II = 1
      out.write(channel < CHANNELS_A ? first.read() : second.read());
    }
  }
}

}  // namespace pyqkit
