// Blocks that move codes and change none.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {

// The same stream in words of another width. One width divides the other.
template <class T, int COUNT, int LANES_IN, int LANES_OUT>
void convert_width(hls::stream<Word<T, LANES_IN>> &in, hls::stream<Word<T, LANES_OUT>> &out) {
  static const int WIDE = LANES_IN > LANES_OUT ? LANES_IN : LANES_OUT;
  static_assert(COUNT % WIDE == 0 && (LANES_IN % LANES_OUT == 0 || LANES_OUT % LANES_IN == 0),
                "one width divides the other");
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
void fork(hls::stream<Word<T, LANES>> &in, hls::stream<Word<T, LANES>> &first,
          hls::stream<Word<T, LANES>> &second) {
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
      for (int lane = 0; lane < LANES_OUT; ++lane)
        word.lane[lane] = pixel_codes[Table::channel(channel + lane)];
      out.write(word);
    }
  }
}

// Rows START_ROW, START_ROW + STEP_ROWS, ... of an image of HEIGHT x WIDTH pixels, ROWS of them, and columns alike.
template <class T, class S>
void slice(hls::stream<Word<T, S::LANES>> &in, hls::stream<Word<T, S::LANES>> &out) {
  for (int row = 0; row < S::HEIGHT; ++row) {
    for (int column = 0; column < S::WIDTH; ++column) {
      const int y = row - S::START_ROW, x = column - S::START_COLUMN;
      const bool row_kept = y >= 0 && y % S::STEP_ROWS == 0 && y / S::STEP_ROWS < S::ROWS;
      const bool kept = row_kept && x >= 0 && x % S::STEP_COLUMNS == 0 && x / S::STEP_COLUMNS < S::COLUMNS;
      for (int channel = 0; channel < S::CHANNELS; channel += S::LANES) {
#pragma HLS PIPELINE II = 1
        const Word<T, S::LANES> word = in.read();
        if (kept) out.write(word);
      }
    }
  }
}

// Adds rows, columns and channels (FRONT, BACK) of the code ZERO to an image of HEIGHT x WIDTH pixels of CHANNELS.
template <class T, class S>
void pad(hls::stream<Word<T, S::LANES>> &in, hls::stream<Word<T, S::LANES>> &out) {
  static const bool DIVIDES =
      S::CHANNELS % S::LANES == 0 && S::FRONT % S::LANES == 0 && S::BACK % S::LANES == 0;
  static_assert(DIVIDES, "lanes divide channels and padding");
  for (int row = 0; row < S::TOP + S::HEIGHT + S::BOTTOM; ++row) {
    for (int column = 0; column < S::LEFT + S::WIDTH + S::RIGHT; ++column) {
      const bool row_inside = row >= S::TOP && row < S::TOP + S::HEIGHT;
      const bool inside = row_inside && column >= S::LEFT && column < S::LEFT + S::WIDTH;
      for (int channel = 0; channel < S::FRONT + S::CHANNELS + S::BACK; channel += S::LANES) {
#pragma HLS PIPELINE II = 1
        Word<T, S::LANES> word;
        if (inside && channel >= S::FRONT && channel < S::FRONT + S::CHANNELS) {
          word = in.read();
        } else {
          for (int lane = 0; lane < S::LANES; ++lane) word.lane[lane] = T(S::ZERO);
        }
        out.write(word);
      }
    }
  }
}

// FIRST codes of one stream, SECOND of another, RUNS times in turn: channels of every pixel, columns of every
// row, or rows of the frame. More streams are joined one by one.
template <class T, int RUNS, int FIRST, int SECOND, int LANES>
void concat(hls::stream<Word<T, LANES>> &first, hls::stream<Word<T, LANES>> &second,
            hls::stream<Word<T, LANES>> &out) {
  for (int run = 0; run < RUNS; ++run) {
    for (int code = 0; code < FIRST + SECOND; code += LANES) {
#pragma HLS PIPELINE II = 1
      out.write(code < FIRST ? first.read() : second.read());
    }
  }
}

}  // namespace pyqkit
