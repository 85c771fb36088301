// Nearest-neighbour resizing: rows and columns that come several times, or never.
//
// A word is read in the step in which it comes for the first time, and written in every step that is not dropped.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {

// Shape is a struct of constants: HEIGHT, WIDTH and CHANNELS of the image; LANES; TRIPS of a frame; LINE, whether rows come
// again, so that a row is kept, or columns alone. Table: rows(row) and columns(column), how often each comes.
template <class T, class Shape, class Table>
void resize(hls::stream<Word<T, Shape::LANES>> &in, hls::stream<Word<T, Shape::LANES>> &out) {
  static constexpr int WORDS = Shape::CHANNELS / Shape::LANES;
  static constexpr int TRIPS = Shape::TRIPS;
  static constexpr int KEPT = Shape::LINE ? Shape::WIDTH * WORDS : WORDS;
  static_assert(Shape::CHANNELS % Shape::LANES == 0, "lanes divide channels");
  PYQKIT_TRIPS(TRIPS);
  Word<T, Shape::LANES> kept[KEPT];
#pragma HLS AGGREGATE variable = kept compact = bit
#pragma HLS BIND_STORAGE variable = kept type = ram_s2p
  int row = 0, row_pass = 0, column = 0, column_pass = 0, word = 0, address = 0;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const int rows = Table::rows(row), columns = Table::columns(column);
    Word<T, Shape::LANES> value;
    if (row_pass == 0 && column_pass == 0) {
      value = in.read();
      kept[address] = value;
    } else {
      value = kept[address];
    }
    if (rows > 0 && columns > 0) out.write(value);
    const bool end_pass = word == WORDS - 1;
    const bool column_again = rows > 0 && column_pass + 1 < columns;  // a dropped row comes once
    const bool end_row = end_pass && !column_again && column == Shape::WIDTH - 1;
    const bool row_again = row_pass + 1 < rows;
    const bool back = end_pass && (column_again || !Shape::LINE);  // to the first word of the pixel
    address = end_row ? 0 : back ? address - (WORDS - 1) : address + 1;
    word = end_pass ? 0 : word + 1;
    if (end_pass) {
      column_pass = column_again ? column_pass + 1 : 0;
      if (!column_again) column = end_row ? 0 : column + 1;
    }
    if (end_row) {
      row_pass = row_again ? row_pass + 1 : 0;
      if (!row_again) row = row == Shape::HEIGHT - 1 ? 0 : row + 1;
    }
  }
}

}  // namespace pyqkit
