// Counters of a RUN: tiles by taps and words, and the positions of each. A tile takes a span of as many trips as it has positions, or as
// there are rows if those are more; in the span before its own, its rows of weights are loaded. So there is one span more than tiles.
#pragma once
#include "dataflow.hpp"

namespace pyqkit {
namespace array {

// Run is the instruction: its fields have the names that docs/array.md gives them. ADDRESS bits are those of an address.
template <class Run, int ROWS, int ADDRESS> struct Walk {
  typedef ap_uint<ADDRESS> Address;
  typedef ap_int<18> Place;  // a row or a column, in the tensor or outside
  Run run;
  int positions, span, spans;
  int row, weight, place;  // of the weights; their item; the accumulator
  bool replace;            // what the accumulator holds
  Address address, row_address, word_address, tap_x_address, tap_y_address;
  Place y, x, first_y, first_x;           // first ones are the tile's
  int at, tile, at_y, at_x, tap_x, word;  // within the span, the columns, the taps and words

  explicit Walk(const Run &fields) : run(fields) {
#pragma HLS INLINE
    positions = int(run.rows) * int(run.columns);
    span = positions < ROWS ? ROWS : positions;
    spans = int(run.taps_y) * int(run.taps_x) * int(run.words) + 1;
    row = 0, weight = run.weights, place = run.accumulator;
    replace = run.spread || !run.keep;
    address = row_address = word_address = tap_x_address = tap_y_address = run.base;
    y = first_y = run.row, x = first_x = run.column;
    at = tile = at_y = at_x = tap_x = word = 0;
  }
  int trips() const {
#pragma HLS INLINE
    return spans * span;
  }
  // Whether a row of weights comes: of the tile after this span.
  bool loads() const {
#pragma HLS INLINE
    return at < ROWS && tile + 1 < spans;
  }
  bool multiplies() const {
#pragma HLS INLINE
    return at < positions && tile > 0;
  }
  bool inside() const {
#pragma HLS INLINE
    return y >= 0 && y < Place(run.height) && x >= 0 && x < Place(run.width);
  }
  bool tile_ends() const {
#pragma HLS INLINE
    return at == span - 1;
  }
  void step() {
#pragma HLS INLINE
    if (loads()) {
      ++row;
      ++weight;
    }
    if (multiplies()) step_position();
    if (tile_ends()) {
      if (tile > 0) step_tile();
      row = 0;
      if (run.same) weight = run.weights;
      at = 0;
      ++tile;
    } else {
      ++at;
    }
  }

 private:
  void step_position() {
#pragma HLS INLINE
    const bool ends = at_x == int(run.columns) - 1;
    const Address below = row_address + run.step_row;
    address = ends ? below : Address(address + run.step_column);
    x = ends ? first_x : Place(x + run.stride_x);
    if (ends) {
      row_address = below;
      y = y + run.stride_y;
    }
    at_x = ends ? 0 : at_x + 1;
    ++place;
  }
  void step_tile() {
#pragma HLS INLINE
    const bool word_ends = word == int(run.words) - 1;
    const bool tap_ends = word_ends && tap_x == int(run.taps_x) - 1;
    const Address next = !word_ends  ? word_address + run.step_word
                         : !tap_ends ? tap_x_address + run.step_tap_x
                                     : tap_y_address + run.step_tap_y;
    word = word_ends ? 0 : word + 1;
    if (word_ends) tap_x = tap_ends ? 0 : tap_x + 1;
    word_address = row_address = address = next;
    if (word_ends) tap_x_address = next;
    if (tap_ends) tap_y_address = next;
    if (word_ends) first_x = tap_ends ? Place(run.column) : Place(first_x + run.dilation_x);
    if (tap_ends) first_y = first_y + run.dilation_y;
    y = first_y, x = first_x;
    at_x = 0;
    if (!run.spread) place = run.accumulator;
    replace = run.spread;
  }
};

}  // namespace array
}  // namespace pyqkit
