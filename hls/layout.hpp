// Blocks that move codes and change none.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {

// The same stream in words of another width. One width divides the other.
template <class T, int COUNT, int LANES_IN, int LANES_OUT>
void convert_width(hls::stream<Word<T, LANES_IN>> &in, hls::stream<Word<T, LANES_OUT>> &out) {
  static constexpr int NARROW = LANES_IN < LANES_OUT ? LANES_IN : LANES_OUT;
  static constexpr int WIDE = LANES_IN < LANES_OUT ? LANES_OUT : LANES_IN;
  static constexpr int PARTS = WIDE / NARROW;
  static constexpr int TRIPS = COUNT / NARROW;
  static_assert(COUNT % WIDE == 0 && WIDE % NARROW == 0, "one width divides the other");
  PYQKIT_TRIPS(TRIPS);
  Counter<PARTS> part;
  T held[PARTS][NARROW];
#pragma HLS ARRAY_PARTITION variable = held complete dim = 0
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    if (LANES_IN == NARROW || part.first()) {
      const Word<T, LANES_IN> word = in.read();
      for (int p = 0; p < PARTS; ++p) {
#pragma HLS UNROLL
        for (int lane = 0; lane < NARROW; ++lane) {
#pragma HLS UNROLL
          if (LANES_IN == WIDE)
            held[p][lane] = word.lane[(p * NARROW + lane) & (LANES_IN == WIDE ? -1 : 0)];
          else if (part.at == p)
            held[p][lane] = word.lane[lane];
        }
      }
    }
    if (LANES_OUT == NARROW || part.last()) {
      Word<T, LANES_OUT> word = Word<T, LANES_OUT>();
      for (int p = 0; p < PARTS; ++p) {
#pragma HLS UNROLL
        for (int lane = 0; lane < NARROW; ++lane) {
#pragma HLS UNROLL
          if (LANES_OUT == WIDE)
            word.lane[(p * NARROW + lane) & (LANES_OUT == WIDE ? -1 : 0)] = held[p][lane];
          else if (part.at == p)
            word.lane[lane] = held[p][lane];
        }
      }
      out.write(word);
    }
    part.step();
  }
}

// Two copies of a stream; more readers take a tree of forks.
template <class T, int WORDS, int LANES>
void fork(hls::stream<Word<T, LANES>> &in, hls::stream<Word<T, LANES>> &first,
          hls::stream<Word<T, LANES>> &second) {
  static constexpr int TRIPS = WORDS;
  PYQKIT_TRIPS(TRIPS);
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<T, LANES> word = in.read();
    first.write(word);
    second.write(word);
  }
}

// Output channel c is input channel Table::channel(c / LANES_OUT, c % LANES_OUT).
//
// One pixel comes while the one before leaves. In a slot of PACE trips the first words leave and the last ones come, so that the
// first slot begins with its arrivals.
template <class T, int PIXELS, int CHANNELS_IN, int CHANNELS_OUT, int LANES_IN, int LANES_OUT, class Table>
void permute(hls::stream<Word<T, LANES_IN>> &in, hls::stream<Word<T, LANES_OUT>> &out) {
  static constexpr int WORDS_IN = CHANNELS_IN / LANES_IN, WORDS_OUT = CHANNELS_OUT / LANES_OUT;
  static constexpr int PACE = WORDS_IN > WORDS_OUT ? WORDS_IN : WORDS_OUT;
  static constexpr int WAIT = PACE - WORDS_IN;
  static constexpr int TRIPS = WORDS_IN + (PIXELS - 1) * PACE + WORDS_OUT;
  PYQKIT_TRIPS(TRIPS);
  T coming[CHANNELS_IN], leaving[CHANNELS_IN];
#pragma HLS ARRAY_PARTITION variable = coming complete
#pragma HLS ARRAY_PARTITION variable = leaving complete
  Counter<PACE> phase;
  phase.at = WAIT;
  Index<PIXELS> pixels = 0;  // that have come
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    if (pixels > 0 && phase.at < WORDS_OUT) {
      Word<T, LANES_OUT> word;
      for (int lane = 0; lane < LANES_OUT; ++lane) {
#pragma HLS UNROLL
        word.lane[lane] = leaving[Table::channel(phase.at, lane)];
      }
      out.write(word);
    }
    if (pixels < PIXELS && phase.at >= WAIT) {
      const Word<T, LANES_IN> word = in.read();
      for (int w = 0; w < WORDS_IN; ++w) {
#pragma HLS UNROLL
        for (int lane = 0; lane < LANES_IN; ++lane) {
#pragma HLS UNROLL
          if (phase.at == WAIT + w) coming[w * LANES_IN + lane] = word.lane[lane];
        }
      }
    }
    if (phase.step()) {
      pixels = pixels + 1;
      for (int channel = 0; channel < CHANNELS_IN; ++channel) {
#pragma HLS UNROLL
        leaving[channel] = coming[channel];
      }
    }
  }
}

// Rows START_ROW, START_ROW + STEP_ROWS, ... of an image of HEIGHT x WIDTH pixels, ROWS of them, and columns alike.
template <class T, class S>
void slice(hls::stream<Word<T, S::LANES>> &in, hls::stream<Word<T, S::LANES>> &out) {
  static constexpr int WORDS = S::CHANNELS / S::LANES;
  static constexpr int LAST_ROW = S::START_ROW + (S::ROWS - 1) * S::STEP_ROWS;
  static constexpr int LAST_COLUMN = S::START_COLUMN + (S::COLUMNS - 1) * S::STEP_COLUMNS;
  static constexpr int TRIPS = S::HEIGHT * S::WIDTH * WORDS;
  PYQKIT_TRIPS(TRIPS);
  Counter<WORDS> word;
  Counter<S::WIDTH> column;
  Counter<S::HEIGHT> row;
  Index<S::HEIGHT> next_row = S::START_ROW;  // that is kept; none is when it lies outside
  Index<S::WIDTH> next_column = S::START_COLUMN;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<T, S::LANES> codes = in.read();
    const bool row_kept = row.at == next_row, column_kept = column.at == next_column;
    if (row_kept && column_kept) out.write(codes);
    if (word.step()) {
      const bool row_ends = column.step();
      if (row_ends)
        next_column = S::START_COLUMN;
      else if (column_kept)
        next_column = next_column == LAST_COLUMN ? int(S::WIDTH) : int(next_column) + S::STEP_COLUMNS;
      if (row_ends && row_kept)
        next_row = next_row == LAST_ROW ? int(S::HEIGHT) : int(next_row) + S::STEP_ROWS;
      if (row_ends) row.step();
    }
  }
}

// Adds rows, columns and channels (FRONT, BACK) of the code ZERO to an image of HEIGHT x WIDTH pixels of CHANNELS.
template <class T, class S>
void pad(hls::stream<Word<T, S::LANES>> &in, hls::stream<Word<T, S::LANES>> &out) {
  static constexpr bool DIVIDES =
      S::CHANNELS % S::LANES == 0 && S::FRONT % S::LANES == 0 && S::BACK % S::LANES == 0;
  static_assert(DIVIDES, "lanes divide channels and padding");
  static constexpr int FRONT = S::FRONT / S::LANES, INSIDE = S::CHANNELS / S::LANES;
  static constexpr int WORDS = FRONT + INSIDE + S::BACK / S::LANES;
  static constexpr int ROWS = S::TOP + S::HEIGHT + S::BOTTOM, COLUMNS = S::LEFT + S::WIDTH + S::RIGHT;
  static constexpr int TRIPS = ROWS * COLUMNS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  Counter<WORDS> word;
  Counter<COLUMNS> column;
  Counter<ROWS> row;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const bool row_inside = row.at >= S::TOP && row.at < S::TOP + S::HEIGHT;
    const bool column_inside = column.at >= S::LEFT && column.at < S::LEFT + S::WIDTH;
    Word<T, S::LANES> codes;
    if (row_inside && column_inside && word.at >= FRONT && word.at < FRONT + INSIDE) {
      codes = in.read();
    } else {
      for (int lane = 0; lane < S::LANES; ++lane) {
#pragma HLS UNROLL
        codes.lane[lane] = T(S::ZERO);
      }
    }
    out.write(codes);
    if (word.step() && column.step()) row.step();
  }
}

// FIRST codes of one stream, SECOND of another, RUNS times in turn: channels of every pixel, columns of every
// row, or rows of the frame. More streams are joined one by one.
template <class T, int RUNS, int FIRST, int SECOND, int LANES>
void concat(hls::stream<Word<T, LANES>> &first, hls::stream<Word<T, LANES>> &second,
            hls::stream<Word<T, LANES>> &out) {
  static constexpr int WORDS_FIRST = FIRST / LANES, WORDS = WORDS_FIRST + SECOND / LANES;
  static constexpr int TRIPS = RUNS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  Counter<WORDS> word;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    out.write(word.at < WORDS_FIRST ? first.read() : second.read());
    word.step();
  }
}

}  // namespace pyqkit
