// Product of two streams, element by element.
#pragma once
#include "product.hpp"

namespace pyqkit {

// Multiplier: one of product.hpp.
template <class Multiplier, int LEFT_BITS, int RIGHT_BITS, int OUT_BITS, int PIXELS, int CHANNELS, int LANES>
void stream_product(hls::stream<Word<ap_uint<LEFT_BITS>, LANES>> &left,
                    hls::stream<Word<ap_uint<RIGHT_BITS>, LANES>> &right,
                    hls::stream<Word<ap_uint<OUT_BITS>, LANES>> &out) {
  static constexpr int TRIPS = PIXELS * (CHANNELS / LANES);
  PYQKIT_TRIPS(TRIPS);
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const Word<ap_uint<LEFT_BITS>, LANES> a = left.read();
    const Word<ap_uint<RIGHT_BITS>, LANES> b = right.read();
    Word<ap_uint<OUT_BITS>, LANES> result;
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
      result.lane[lane] = ap_uint<OUT_BITS>(
          Multiplier::multiply(Multiplier::left(a.lane[lane]), Multiplier::right(b.lane[lane])));
    }
    out.write(result);
  }
}

}  // namespace pyqkit
