// Rows and columns change places within blocks of rows. A block is written while the next one is read.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {

// Each of BLOCKS blocks of ROWS x COLUMNS pixels of WORDS words leaves column by column.
template <class T, int BLOCKS, int ROWS, int COLUMNS, int WORDS, int LANES>
void transpose(hls::stream<Word<T, LANES>> &in, hls::stream<Word<T, LANES>> &out) {
  static constexpr int BLOCK = ROWS * COLUMNS * WORDS;
  static constexpr int TRIPS = (BLOCKS + 1) * BLOCK;
  static constexpr int NEXT_ROW = (COLUMNS - 1) * WORDS, FIRST_ROW = (ROWS - 1) * COLUMNS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  Word<T, LANES> memory[2][BLOCK];
#pragma HLS AGGREGATE variable = memory compact = bit
#pragma HLS ARRAY_PARTITION variable = memory complete dim = 1
#pragma HLS BIND_STORAGE variable = memory type = ram_s2p
  int block = 0, place = 0, address = 0, row = 0, word = 0;
  bool half = false;  // the one that is read into
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    if (block > 0) out.write(memory[!half][address]);
    if (block < BLOCKS) memory[half][place] = in.read();
    const bool end_pixel = word == WORDS - 1, end_column = end_pixel && row == ROWS - 1;
    const bool end_block = place == BLOCK - 1;
    const int from = end_column ? address - FIRST_ROW : end_pixel ? address + NEXT_ROW : address;
    address = end_block ? 0 : from + 1;
    word = end_pixel ? 0 : word + 1;
    if (end_pixel) row = end_column ? 0 : row + 1;
    place = end_block ? 0 : place + 1;
    if (end_block) {
      half = !half;
      ++block;
    }
  }
}

}  // namespace pyqkit
