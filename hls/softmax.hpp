// Softmax: terms of a row by a table of all scores, their sum, and the code of the share of each, by exact comparisons.
//
// Both processes give a row back while the next one comes.
#pragma once
#include "row_search.hpp"

namespace pyqkit {

// The entry of every score over the largest power of two of its row, without what lies below one.
// Shape: ROWS of WORDS words of LANES; TERM_BITS, EXPONENT_BITS. Table: significand(code), exponent(code) from 0 on,
// of the codes of all passes, one behind the other.
// With HEADS above 0 the first so many rows see one score, the next ones two, and so on; what a row does not see is 0.
template <int IN_BITS, class Shape, class Table>
void softmax_terms(hls::stream<Word<ap_uint<IN_BITS>, Shape::LANES>> &in,
                   hls::stream<Word<ap_uint<Shape::TERM_BITS>, Shape::LANES>> &out, int pass = 0) {
  typedef ap_uint<Shape::EXPONENT_BITS> Exponent;
  static constexpr int ROWS = Shape::ROWS, WORDS = Shape::WORDS, LANES = Shape::LANES;
  static constexpr int TRIPS = (ROWS + 1) * WORDS;
  PYQKIT_TRIPS(TRIPS);
  Word<ap_uint<IN_BITS>, LANES> memory[2][WORDS];
#pragma HLS AGGREGATE variable = memory compact = bit
#pragma HLS ARRAY_PARTITION variable = memory complete dim = 1
#pragma HLS BIND_STORAGE variable = memory type = ram_s2p
  const int entries = pass << IN_BITS;
  Exponent largest = 0, top = 0;  // of the row that comes, and of the one that leaves
  int row = 0, word = 0;
  int head = 0, sees = 1, saw = 0;  // scores that the row that comes sees, and the one that leaves
  bool half = false;                // the one that is read into
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    if (row > 0) {
      const Word<ap_uint<IN_BITS>, LANES> codes = memory[!half][word];
      Word<ap_uint<Shape::TERM_BITS>, LANES> terms;
      for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
        const int code = entries + int(codes.lane[lane]);
        const Exponent down = Exponent(top - Exponent(Table::exponent(code)));
        const ap_uint<Shape::TERM_BITS> significand = Table::significand(code);
        const ap_uint<Shape::TERM_BITS> term = significand >> (down < Shape::TERM_BITS ? int(down) : 0);
        const bool seen = Shape::HEADS == 0 || word * LANES + lane < saw;
        terms.lane[lane] = seen && down < Shape::TERM_BITS ? term : ap_uint<Shape::TERM_BITS>(0);
      }
      out.write(terms);
    }
    if (row < ROWS) {
      const Word<ap_uint<IN_BITS>, LANES> coming = in.read();
      memory[half][word] = coming;
      Exponent most = word == 0 ? Exponent(0) : largest;
      for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
        const Exponent exponent = Table::exponent(entries + int(coming.lane[lane]));
        const bool seen = Shape::HEADS == 0 || word * LANES + lane < sees;
        most = seen && exponent > most ? exponent : most;
      }
      largest = most;
    }
    const bool end_row = word == WORDS - 1;
    word = end_row ? 0 : word + 1;
    if (end_row) {
      top = largest;
      half = !half;
      ++row;
      saw = sees;
      head = head == Shape::HEADS - 1 ? 0 : head + 1;
      sees += head == 0;
    }
  }
}

// Codes of the shares that terms have in the sum of their row.
// Shape, beside what it says of terms: SUM_BITS, WIDE_BITS that hold a factor times a term and a limit times a sum, STEPS and
// PIECES of the search. Table: factor(piece) of all passes, limit(Step, bits above, piece), code(place).
template <int OUT_BITS, class Shape, class Table>
void softmax_codes(hls::stream<Word<ap_uint<Shape::TERM_BITS>, Shape::LANES>> &in,
                   hls::stream<Word<ap_uint<OUT_BITS>, Shape::LANES>> &out, int pass = 0) {
  typedef Wide<Shape::WIDE_BITS> W;
  typedef ap_uint<Shape::SUM_BITS> Sum;
  static constexpr int ROWS = Shape::ROWS, WORDS = Shape::WORDS, LANES = Shape::LANES;
  static constexpr int TRIPS = (ROWS + 1) * WORDS;
  PYQKIT_TRIPS(TRIPS);
  Word<ap_uint<Shape::TERM_BITS>, LANES> memory[2][WORDS];
#pragma HLS AGGREGATE variable = memory compact = bit
#pragma HLS ARRAY_PARTITION variable = memory complete dim = 1
#pragma HLS BIND_STORAGE variable = memory type = ram_s2p
  const int pieces = pass * Shape::PIECES;
  Sum sum = 0, total = 0;  // of the row that comes, and of the one that leaves
  int row = 0, word = 0;
  bool half = false;  // the one that is read into
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    if (row > 0) {
      const Word<ap_uint<Shape::TERM_BITS>, LANES> terms = memory[!half][word];
      Word<ap_uint<OUT_BITS>, LANES> result;
      for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
        W factor = Table::factor(pieces + Shape::PIECES - 1);
        for (int piece = Shape::PIECES - 2; piece >= 0; --piece) {
#pragma HLS UNROLL
          factor = W(factor * (W(1) << PIECE_BITS)) + W(Table::factor(pieces + piece));
        }
        const W x = factor * W(terms.lane[lane]);
        const int place = row_place<Table, W, Shape::PIECES>(x, W(total), 0, Step<Shape::STEPS - 1>());
        result.lane[lane] = ap_uint<OUT_BITS>(Table::code(place));
      }
      out.write(result);
    }
    if (row < ROWS) {
      const Word<ap_uint<Shape::TERM_BITS>, LANES> coming = in.read();
      memory[half][word] = coming;
      Sum so_far = word == 0 ? Sum(0) : sum;
      for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
        so_far = Sum(so_far + Sum(coming.lane[lane]));
      }
      sum = so_far;
    }
    const bool end_row = word == WORDS - 1;
    word = end_row ? 0 : word + 1;
    if (end_row) {
      total = sum;
      half = !half;
      ++row;
    }
  }
}

}  // namespace pyqkit
