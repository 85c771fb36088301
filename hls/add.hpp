// Residual addition: two streams, each integer times a constant of its channel. More branches are added one after the other.
#pragma once
#include "formats.hpp"

namespace pyqkit {

// Table: left(channel) and right(channel), the multipliers.
template <class A, class B, int OUT_BITS, int PIXELS, int CHANNELS, int LANES, class Table>
void add(hls::stream<Word<ap_uint<A::BITS>, LANES>> &left, hls::stream<Word<ap_uint<B::BITS>, LANES>> &right,
         hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out) {
  for (int pixel = 0; pixel < PIXELS; ++pixel) {
    for (int channel = 0; channel < CHANNELS; channel += LANES) {
#pragma HLS PIPELINE II = 1
      const Word<ap_uint<A::BITS>, LANES> a = left.read();
      const Word<ap_uint<B::BITS>, LANES> b = right.read();
      Word<ap_uint<OUT_BITS>, LANES> result;
      for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
        const ap_int<64> x = A::decode(a.lane[lane]), y = B::decode(b.lane[lane]);
        const ap_int<64> sum = x * Table::left(channel + lane) + y * Table::right(channel + lane);
        result.lane[lane] = ap_uint<OUT_BITS>(sum);
      }
      out.write(result);
    }
  }
}

}  // namespace pyqkit
