// Where a number lies among limits that grow with a total of its row, such as a sum: nothing is divided.
#pragma once
#include "requantise.hpp"

namespace pyqkit {

static constexpr int PIECE_BITS = 32;  // of a wide constant, the lowest piece first

// Two numbers that are compared, and what they are products of: more than a piece, so that pieces can be put together.
template <int BITS> using Wide = Exact<(BITS > 2 * PIECE_BITS ? BITS : 2 * PIECE_BITS)>;

// Whether x has reached a limit in the memory of STEP, at a place of it: there it stands doubled, and 1 more where it must be passed.
template <class Table, class W, int PIECES, int STEP>
bool row_reached(const W &x, const W &total, int place, Step<STEP> step) {
#pragma HLS INLINE
  W limit = Table::limit(step, place, PIECES - 1);
  for (int piece = PIECES - 2; piece >= 0; --piece) {
#pragma HLS UNROLL
    limit = W(limit * (W(1) << PIECE_BITS)) + W(Table::limit(step, place, piece));
  }
  const W strict = limit & W(1), least = W(W(limit >> 1) * total) + strict;
  return x >= least;
}

// One comparison a bit: the bits of the place above STEP are known to be `passed`.
template <class Table, class W, int PIECES> int row_place(W, W, int passed, Step<-1>) {
#pragma HLS INLINE
  return passed;
}
template <class Table, class W, int PIECES, int STEP>
int row_place(W x, W total, int passed, Step<STEP> step) {
#pragma HLS INLINE
  const bool reached = row_reached<Table, W, PIECES>(x, total, passed, step);
  return row_place<Table, W, PIECES>(x, total, 2 * passed + (reached ? 1 : 0), Step<STEP - 1>());
}

}  // namespace pyqkit
