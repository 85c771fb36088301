// Residual addition: two streams, each integer times a constant of its channel. More branches are added one after the other.
#pragma once
#include "formats.hpp"

namespace pyqkit {

// Table: left(word, lane) and right(word, lane), the multipliers of a channel, pass after pass.
template <class A, class B, int OUT_BITS, int PIXELS, int CHANNELS, int LANES, class Table>
void add(hls::stream<Word<ap_uint<A::BITS>, LANES>> &left, hls::stream<Word<ap_uint<B::BITS>, LANES>> &right,
         hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out, int pass = 0) {
  static constexpr int WORDS = CHANNELS / LANES;
  static constexpr int TRIPS = PIXELS * WORDS;
  PYQKIT_TRIPS(TRIPS);
  const int constants = pass * WORDS;
  Counter<WORDS> word;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<A::BITS>, LANES> a = left.read();
    const Word<ap_uint<B::BITS>, LANES> b = right.read();
    Word<ap_uint<OUT_BITS>, LANES> result;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      const Exact<OUT_BITS> x = A::decode(a.lane[lane]), y = B::decode(b.lane[lane]);
      const Exact<OUT_BITS> first = Table::left(constants + word.at, lane);
      const Exact<OUT_BITS> second = Table::right(constants + word.at, lane);
      result.lane[lane] = ap_uint<OUT_BITS>(Exact<OUT_BITS>(x * first + y * second));
    }
    out.write(result);
    word.step();
  }
}

}  // namespace pyqkit
