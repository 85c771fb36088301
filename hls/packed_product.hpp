// Products that share a DSP: an activation times the weights of two outputs, or those of two neighbouring pixels times both. What
// shares a factor stands FIELD bits apart, or twice that, and so do the products and sums of them: each in a field of its own, from
// the lowest output 0 of pixel 0, of pixel 1, output 1 of pixel 0, of pixel 1.
//
// A negative field borrows from the one above. So half a field is added to each but the highest, once to a sum, and is taken off by
// turning the top bit of the field. pyqkit/formats/products/packed.py derives the numbers.
#pragma once
#include "product.hpp"

namespace pyqkit {

// A factor of BITS bits; the simulation needs the room of the product.
#ifdef __SYNTHESIS__
template <int BITS> using Factor = ap_int<BITS>;
#else
template <int BITS> using Factor = ap_int<64>;
#endif

// Codes of weights are pairs: the weight of output 0 in LOW bits, and above it, in HIGH bits, that of output 1, less one where the
// other is negative. LENGTH products at most, none below LEAST or above MOST, are added before they are unpacked.
template <class A, int LOW, int HIGH, int FIELD, int LEAST, int MOST, int LENGTH_, int PIXELS_>
struct PackedProduct {
  static constexpr int OUTPUTS = 2, PIXELS = PIXELS_, LENGTH = LENGTH_;
  static constexpr int FIELDS = OUTPUTS * PIXELS;
  static constexpr int STEP = PIXELS * FIELD;  // from one weight to the other
  static constexpr long long HALF = 1LL << (FIELD - 1);
  static_assert(LENGTH * MOST < HALF && LENGTH * LEAST >= -HALF, "a field holds the sum of LENGTH products");
  static_assert(FIELDS * FIELD <= 48, "a DSP has 48 bits");
  typedef ap_uint<A::BITS> LeftCode;
  typedef ap_uint<LOW + HIGH> RightCode;
  typedef ap_int<A::WIDTH> Left;
  typedef Factor<STEP + HIGH> Right;
  typedef Exact<48> Sum;
  static Left left(LeftCode code) {
#pragma HLS INLINE
    return A::decode(code);
  }
  static Right right(RightCode code) {
#pragma HLS INLINE
    const ap_int<LOW> low = code;
    const ap_int<HIGH> high = code >> LOW;
    return Right(Right(ap_uint<STEP>(low)) +
                 Right(high) * (1LL << STEP));  // nothing carries: a concatenation
  }
  // Activations of a lane as they share a factor; of one pixel the first is the last.
  static Factor<18> together(Left first, Left last) {
#pragma HLS INLINE
    return PIXELS == 1 ? Factor<18>(first) : Factor<18>(first + Factor<18>(last) * (1 << FIELD));
  }
  static Sum multiply(Factor<18> activations, Right weights) {
#pragma HLS INLINE
    Sum product = weights * activations;
#pragma HLS BIND_OP variable = product op = mul impl = dsp
    return product;
  }
  // What a sum begins with: half a field in each but the highest.
  static constexpr long long HALVES = HALF * ((1LL << ((FIELDS - 1) * FIELD)) - 1) / ((1LL << FIELD) - 1);
  static ap_int<FIELD> unpacked(Sum sum, int field) {
#pragma HLS INLINE
    const ap_uint<FIELD> found = sum >> (field * FIELD);
    return field == FIELDS - 1 ? ap_int<FIELD>(found) : ap_int<FIELD>(found ^ ap_uint<FIELD>(HALF));
  }
};

template <class A, int LOW, int HIGH, int FIELD, int LEAST, int MOST, int LENGTH, int PIXELS_>
struct Terms<PackedProduct<A, LOW, HIGH, FIELD, LEAST, MOST, LENGTH, PIXELS_>> {
  typedef PackedProduct<A, LOW, HIGH, FIELD, LEAST, MOST, LENGTH, PIXELS_> P;
  static constexpr int OUTPUTS = P::OUTPUTS, PIXELS = PIXELS_;
  static constexpr long long START = P::HALVES;
  template <int> using Sum = typename P::Sum;
  static constexpr int length(int) { return LENGTH; }
  static typename P::Sum product(typename P::Left first, typename P::Left last, typename P::Right b) {
#pragma HLS INLINE
    return P::multiply(P::together(first, last), b);
  }
  static ap_int<FIELD> term(typename P::Sum sum, int field) {
#pragma HLS INLINE
    return P::unpacked(sum, field);
  }
};

}  // namespace pyqkit
