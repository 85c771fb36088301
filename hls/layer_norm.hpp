// Layer norm and RMS norm: exact sums of a pixel, the root of its spread digit by digit, and codes by exact comparisons.
//
// pyqkit/dataflow/norm.py says why so many digits decide every code. Codes wait in a FIFO until the root is there.
#pragma once
#include "row_search.hpp"

namespace pyqkit {

// A wide number in a word, its lowest piece at `from`; without a sign it has a bit to spare.
template <class W, int FROM, int PIECES, int LANES>
W from_word(const Word<ap_uint<PIECE_BITS>, LANES> &word) {
#pragma HLS INLINE
  W value = W(ap_int<PIECE_BITS>(word.lane[FROM + PIECES - 1]));
  for (int piece = PIECES - 2; piece >= 0; --piece) {
#pragma HLS UNROLL
    value = W(value * (W(1) << PIECE_BITS)) + W(word.lane[FROM + piece]);
  }
  return value;
}
template <class W, int FROM, int PIECES, int LANES>
void to_word(Word<ap_uint<PIECE_BITS>, LANES> &word, const W &value) {
#pragma HLS INLINE
  for (int piece = 0; piece < PIECES; ++piece) {
#pragma HLS UNROLL
    word.lane[FROM + piece] = ap_uint<PIECE_BITS>(W(value >> (PIECE_BITS * piece)));
  }
}

// What goes with a pixel: its sum, what is left of the radicand, the remainder and the root so far.
template <class Shape> struct RootState {
  static constexpr int SUM = 2, RADICAND = Shape::RADICAND_PIECES, ROOT = Shape::ROOT_PIECES;
  static constexpr int LANES = SUM + RADICAND + 2 * ROOT;
  typedef Wide<PIECE_BITS * SUM> Sum;
  typedef Wide<PIECE_BITS * RADICAND> Radicand;
  typedef Wide<PIECE_BITS * ROOT> Root;
  typedef Word<ap_uint<PIECE_BITS>, LANES> Packed;
  Sum sum;
  Radicand radicand;
  Root remainder, root;
  static RootState from(const Packed &word) {
#pragma HLS INLINE
    RootState state;
    state.sum = from_word<Sum, 0, SUM>(word);
    state.radicand = from_word<Radicand, SUM, RADICAND>(word);
    state.remainder = from_word<Root, SUM + RADICAND, ROOT>(word);
    state.root = from_word<Root, SUM + RADICAND + ROOT, ROOT>(word);
    return state;
  }
  Packed packed() const {
#pragma HLS INLINE
    Packed word;
    to_word<Sum, 0, SUM>(word, sum);
    to_word<Radicand, SUM, RADICAND>(word, radicand);
    to_word<Root, SUM + RADICAND, ROOT>(word, remainder);
    to_word<Root, SUM + RADICAND + ROOT, ROOT>(word, root);
    return word;
  }
};

// Hands codes on, and gives the sum of each pixel and its radicand, scale * v + epsilon.
// Shape: PIXELS of WORDS words of LANES; CENTRED; SUM_BITS, SQUARE_BITS; RADICAND_PIECES, ROOT_PIECES. Table: scale(piece),
// epsilon(piece) of all passes, one behind the other.
template <class In, class Shape, class Table>
void norm_moments(hls::stream<Word<ap_uint<In::BITS>, Shape::LANES>> &in,
                  hls::stream<Word<ap_uint<In::BITS>, Shape::LANES>> &codes_out,
                  hls::stream<typename RootState<Shape>::Packed> &moments, int pass = 0) {
  typedef RootState<Shape> State;
  typedef typename State::Radicand Radicand;
  static constexpr int WORDS = Shape::WORDS, LANES = Shape::LANES;
  static constexpr int TRIPS = Shape::PIXELS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  const int pieces = pass * Shape::RADICAND_PIECES;
  Counter<WORDS> word;
  ap_int<Shape::SUM_BITS> sum = 0;
  ap_int<Shape::SQUARE_BITS> squares = 0;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<In::BITS>, LANES> codes = in.read();
    codes_out.write(codes);
    sum = word.first() ? ap_int<Shape::SUM_BITS>(0) : sum;
    squares = word.first() ? ap_int<Shape::SQUARE_BITS>(0) : squares;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      const ap_int<Shape::SQUARE_BITS> x = In::decode(codes.lane[lane]);
      sum = ap_int<Shape::SUM_BITS>(sum + ap_int<Shape::SUM_BITS>(x));
      squares = ap_int<Shape::SQUARE_BITS>(squares + ap_int<Shape::SQUARE_BITS>(x * x));
    }
    if (word.last()) {
      const ap_int<64> moved = Shape::CENTRED ? ap_int<64>(sum) : ap_int<64>(0);
      const ap_int<64> count = WORDS * LANES;
      const ap_int<64> spread = ap_int<64>(count * ap_int<64>(squares)) - ap_int<64>(moved * moved);
      Radicand scale = Table::scale(Shape::RADICAND_PIECES - 1);
      Radicand epsilon = Table::epsilon(pieces + Shape::RADICAND_PIECES - 1);
      for (int piece = Shape::RADICAND_PIECES - 2; piece >= 0; --piece) {
#pragma HLS UNROLL
        scale = Radicand(scale * (Radicand(1) << PIECE_BITS)) + Radicand(Table::scale(piece));
        epsilon = Radicand(epsilon * (Radicand(1) << PIECE_BITS)) + Radicand(Table::epsilon(pieces + piece));
      }
      State state;
      state.sum = typename State::Sum(moved);
      state.radicand = Radicand(scale * Radicand(spread)) + epsilon;
      state.remainder = state.root = typename State::Root(0);
      moments.write(state.packed());
    }
    word.step();
  }
}

// The next DIGITS binary digits of every root. Shape: beside what it says of moments, RADICAND_BITS, an even number.
template <int DIGITS, class Shape>
void norm_root(hls::stream<typename RootState<Shape>::Packed> &in,
               hls::stream<typename RootState<Shape>::Packed> &out) {
  typedef RootState<Shape> State;
  typedef typename State::Radicand Radicand;
  typedef typename State::Root Root;
  static constexpr int TRIPS = Shape::PIXELS * DIGITS;
  static constexpr int TOP = Shape::RADICAND_BITS - 2;
  PYQKIT_TRIPS(TRIPS);
  Counter<DIGITS> digit;
  State state;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    if (digit.first()) state = State::from(in.read());
    const Radicand top = state.radicand >> TOP;  // two bits
    const Root rest = Root(state.remainder << 2) + Root(ap_uint<2>(top));
    const Root trial = Root(state.root << 2) + Root(1);
    const bool fits = rest >= trial;
    state.remainder = fits ? Root(rest - trial) : rest;
    state.root = Root(state.root << 1) + Root(fits ? 1 : 0);
    state.radicand = Radicand(state.radicand - Radicand(top << TOP)) << 2;
    if (digit.last()) out.write(state.packed());
    digit.step();
  }
}

// What is compared of a channel: its gain times its distance from the mean, and its offset times the root.
// Shape, beside what it says of roots: FRACTION_BITS of a root; GAIN_PIECES, OFFSET_PIECES. Table: gain and offset(word, lane, piece).
template <class Shape, class Table, class W>
W norm_scaled(int word, int lane, const ap_int<64> &x, const ap_int<64> &sum, const W &root) {
#pragma HLS INLINE
  W gain = Table::gain(word, lane, Shape::GAIN_PIECES - 1);
  W offset = Table::offset(word, lane, Shape::OFFSET_PIECES - 1);
  for (int piece = Shape::GAIN_PIECES - 2; piece >= 0; --piece) {
#pragma HLS UNROLL
    gain = W(gain * (W(1) << PIECE_BITS)) + W(Table::gain(word, lane, piece));
  }
  for (int piece = Shape::OFFSET_PIECES - 2; piece >= 0; --piece) {
#pragma HLS UNROLL
    offset = W(offset * (W(1) << PIECE_BITS)) + W(Table::offset(word, lane, piece));
  }
  const ap_int<64> moved = ap_int<64>(ap_int<64>(Shape::WORDS * Shape::LANES) * x) - sum;
  return W(W(gain * W(moved)) << Shape::FRACTION_BITS) + W(offset * root);
}
// What codes of a pixel are found with: its sum, its root, and what limits are times, the root times unit(piece).
template <class Shape, class Table> struct NormPixel {
  typedef RootState<Shape> State;
  typedef Wide<Shape::WIDE_BITS> W;
  ap_int<64> sum = 0;
  W root = 0, total = 0;
  static NormPixel from(const typename State::Packed &word) {
#pragma HLS INLINE
    NormPixel pixel;
    pixel.sum = ap_int<64>(from_word<typename State::Sum, 0, State::SUM>(word));
    pixel.root = from_word<W, State::SUM + State::RADICAND + State::ROOT, State::ROOT>(word);
    W unit = Table::unit(Shape::PIECES - 1);
    for (int piece = Shape::PIECES - 2; piece >= 0; --piece) {
#pragma HLS UNROLL
      unit = W(unit * (W(1) << PIECE_BITS)) + W(Table::unit(piece));
    }
    pixel.total = W(unit * pixel.root);
    return pixel;
  }
};

// Codes of results. Shape, beside what was said: WIDE_BITS of what is compared; STEPS and PIECES of the search. Table: gain and offset
// of the words of all passes, unit(piece), limit(Step, bits above, piece), code(place).
template <class In, int OUT_BITS, class Shape, class Table>
void norm_codes(hls::stream<Word<ap_uint<In::BITS>, Shape::LANES>> &in,
                hls::stream<typename RootState<Shape>::Packed> &roots,
                hls::stream<Word<ap_uint<OUT_BITS>, Shape::LANES>> &out, int pass = 0) {
  typedef Wide<Shape::WIDE_BITS> W;
  static constexpr int WORDS = Shape::WORDS, LANES = Shape::LANES;
  static constexpr int TRIPS = Shape::PIXELS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  const int constants = pass * WORDS;
  Counter<WORDS> word;
  NormPixel<Shape, Table> pixel;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    if (word.first()) pixel = NormPixel<Shape, Table>::from(roots.read());
    const Word<ap_uint<In::BITS>, LANES> codes = in.read();
    Word<ap_uint<OUT_BITS>, LANES> result;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      const W scaled = norm_scaled<Shape, Table>(constants + word.at, lane, In::decode(codes.lane[lane]),
                                                 pixel.sum, pixel.root);
      const int place = row_place<Table, W, Shape::PIECES>(scaled, pixel.total, 0, Step<Shape::STEPS - 1>());
      result.lane[lane] = ap_uint<OUT_BITS>(Table::code(place));
    }
    out.write(result);
    word.step();
  }
}

// What of a word goes from one comparison to the next: the numbers, and a 1 and the bits of their places so far.
template <class W, int LANES> struct Searched {
  W scaled[LANES];
  int place[LANES];
};

// The same with one comparison for each lane: the words of a pixel pass it STEPS times, one behind the other, so that as many trips as
// a pixel has words lie between two comparisons of a word. Table: limit(Step<0>, a 1 and the bits above, piece).
template <class In, int OUT_BITS, class Shape, class Table>
void norm_codes_in_turn(hls::stream<Word<ap_uint<In::BITS>, Shape::LANES>> &in,
                        hls::stream<typename RootState<Shape>::Packed> &roots,
                        hls::stream<Word<ap_uint<OUT_BITS>, Shape::LANES>> &out, int pass = 0) {
  typedef Wide<Shape::WIDE_BITS> W;
  static constexpr int WORDS = Shape::WORDS, LANES = Shape::LANES, STEPS = Shape::STEPS;
  static constexpr int TRIPS = Shape::PIXELS * STEPS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  const int constants = pass * WORDS;
  Counter<WORDS> word;
  Counter<STEPS> turn;
  NormPixel<Shape, Table> pixel;
  Delay<Searched<W, LANES>, WORDS> going_round;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    if (turn.first() && word.first()) pixel = NormPixel<Shape, Table>::from(roots.read());
    Word<ap_uint<In::BITS>, LANES> codes;
    if (turn.first()) codes = in.read();
    Searched<W, LANES> searched = going_round.last();
    Word<ap_uint<OUT_BITS>, LANES> result;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      if (turn.first()) {
        searched.scaled[lane] = norm_scaled<Shape, Table>(
            constants + word.at, lane, In::decode(codes.lane[lane]), pixel.sum, pixel.root);
        searched.place[lane] = 1;
      }
      const int place = searched.place[lane];
      const bool reached =
          row_reached<Table, W, Shape::PIECES>(searched.scaled[lane], pixel.total, place, Step<0>());
      searched.place[lane] = 2 * place + (reached ? 1 : 0);
      const ap_uint<STEPS> found = searched.place[lane];
      result.lane[lane] = ap_uint<OUT_BITS>(Table::code(int(found)));
    }
    going_round.push(searched);
    if (turn.last()) out.write(result);
    if (word.step()) turn.step();
  }
}

}  // namespace pyqkit
