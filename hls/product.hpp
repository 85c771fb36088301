// Exact products of two codes. A product is a struct with
//   Left, Right             what activations and weights are decoded to, once, before multiplying
//   WIDTH                   bits of the signed product
//   left(code), right(code), multiply(left, right)
#pragma once
#include "formats.hpp"

namespace pyqkit {

template <class A, class B, int WIDTH_> struct IntegerProduct {
  static const int WIDTH = WIDTH_;
  typedef ap_int<A::WIDTH> Left;
  typedef ap_int<B::WIDTH> Right;
  typedef ap_uint<A::BITS> LeftCode;
  typedef ap_uint<B::BITS> RightCode;
  static Left left(LeftCode code) {
#pragma HLS INLINE
    return A::decode(code);
  }
  static Right right(RightCode code) {
#pragma HLS INLINE
    return B::decode(code);
  }
  static Exact<WIDTH> multiply(Left a, Right b) {
#pragma HLS INLINE
    // Vitis HLS would take DSPs by width; the folding says where they go.
    Exact<WIDTH> product = Exact<WIDTH>(a) * Exact<WIDTH>(b);
#pragma HLS BIND_OP variable = product op = mul impl = fabric
    return product;
  }
};

// The same product for layers whose folding says DSP.
template <class A, class B, int WIDTH_> struct DspProduct : IntegerProduct<A, B, WIDTH_> {
  typedef IntegerProduct<A, B, WIDTH_> Base;
  static Exact<WIDTH_> multiply(typename Base::Left a, typename Base::Right b) {
#pragma HLS INLINE
    Exact<WIDTH_> product = Exact<WIDTH_>(a) * Exact<WIDTH_>(b);
#pragma HLS BIND_OP variable = product op = mul impl = dsp  // narrow products would go to LUTs
    return product;
  }
};

// How sums are made of products: those of a segment are one sum of one output, unless OUTPUTS and PIXELS share a multiplication
// (packed_product.hpp). A sum begins with START, holds length(lanes of a segment) products, and has a term for each output and
// pixel, those of an output side by side. A product takes the first and the last of its pixels.
template <class P> struct Terms {
  static constexpr int OUTPUTS = 1, PIXELS = 1, START = 0;
  template <int ACCUMULATOR> using Sum = Exact<ACCUMULATOR>;
  static constexpr int length(int segment) { return segment; }
  static Exact<P::WIDTH> product(const typename P::Left &a, const typename P::Left &,
                                 const typename P::Right &b) {
#pragma HLS INLINE
    return P::multiply(a, b);
  }
  template <class S> static S term(S sum, int) {
#pragma HLS INLINE
    return sum;
  }
};

// A minifloat as a significand, the hidden bit included, that is shifted left.
template <class Format> struct Significand {
  ap_uint<Format::SIGNIFICAND + 1> value;
  ap_uint<Format::EXPONENT> shift;
  ap_uint<1> negative;
  static Significand of(ap_uint<Format::BITS> code) {
#pragma HLS INLINE
    const int exponent = (int(code) >> Format::SIGNIFICAND) & ((1 << Format::EXPONENT) - 1);
    const int fraction = int(code) & ((1 << Format::SIGNIFICAND) - 1);
    Significand number;
    number.value = exponent ? fraction + (1 << Format::SIGNIFICAND) : fraction;
    number.shift = exponent ? exponent - 1 : 0;
    number.negative = Format::IS_SIGNED && (int(code) >> (Format::BITS - 1)) ? 1 : 0;
    return number;
  }
};

// Two minifloats: significands multiply, shifts add, one shift aligns. The multiplier is as narrow as the significands.
template <class A, class B, int WIDTH> struct MinifloatMultiplier {
  static Exact<WIDTH> multiply(const Significand<A> &a, const Significand<B> &b) {
#pragma HLS INLINE
    const int product = int(a.value) * int(b.value);
#pragma HLS BIND_OP variable = product op = mul impl = fabric
    const Exact<WIDTH> magnitude = ap_uint<WIDTH>(ap_uint<WIDTH>(product) << (int(a.shift) + int(b.shift)));
    return a.negative != b.negative ? Exact<WIDTH>(-magnitude) : magnitude;
  }
};
#ifndef PYQKIT_SIMULATION
template <class A, class B, int WIDTH_> struct MinifloatProduct {
  static const int WIDTH = WIDTH_;
  typedef Significand<A> Left;
  typedef Significand<B> Right;
  typedef ap_uint<A::BITS> LeftCode;
  typedef ap_uint<B::BITS> RightCode;
  static Left left(LeftCode code) {
#pragma HLS INLINE
    return Left::of(code);
  }
  static Right right(RightCode code) {
#pragma HLS INLINE
    return Right::of(code);
  }
  static Exact<WIDTH> multiply(const Left &a, const Right &b) {
#pragma HLS INLINE
    return MinifloatMultiplier<A, B, WIDTH>::multiply(a, b);
  }
};
#else
// Simulation multiplies integers, which g++ can vectorise, after the hardware's multiplier has agreed on every pair of codes.
template <class A, class B, int WIDTH_> struct MinifloatProduct : IntegerProduct<A, B, WIDTH_> {
  typedef IntegerProduct<A, B, WIDTH_> Base;
  static bool agrees() {
    for (int a = 0; a < 1 << A::BITS; ++a)
      for (int b = 0; b < 1 << B::BITS; ++b) {
        const Exact<WIDTH_> found =
            MinifloatMultiplier<A, B, WIDTH_>::multiply(Significand<A>::of(a), Significand<B>::of(b));
        if (found != Base::multiply(A::decode(a), B::decode(b))) return false;
      }
    return true;
  }
  static typename Base::Right right(typename Base::RightCode code) {
    static const bool checked = agrees();
    return checked ? B::decode(code) : typename Base::Right(0);
  }
};
#endif

// A number of the logarithmic domain: its logarithm in units of 2**-FRACTION, above the smallest of its format.
template <int LOG_BITS> struct Logarithm {
  ap_uint<LOG_BITS> log;
  ap_uint<1> negative;
  ap_uint<1> zero;
};

// Two Logarithmic Posits: logarithms add, then leave the domain through Tables::significand(fraction), the table that is part
// of the format's definition. Tables also decodes codes: log, negative and zero of a left and of a right code.
template <int A_BITS, int B_BITS, int LOG_BITS, int FRACTION_BITS, int LOWEST_FRACTION, int WIDTH,
          class Tables>
struct LogMultiplier {
  typedef Logarithm<LOG_BITS> Number;
  static Number unpack(int entry) {
#pragma HLS INLINE
    Number number;
    number.log = entry >> 2;
    number.negative = (entry >> 1) & 1;
    number.zero = entry & 1;
    return number;
  }
  static Number left(int code) {
#pragma HLS INLINE
    return unpack(Tables::left(code));
  }
  static Number right(int code) {
#pragma HLS INLINE
    return unpack(Tables::right(code));
  }
  static Exact<WIDTH> multiply(Number a, Number b) {
#pragma HLS INLINE
    // LOWEST_FRACTION is the fraction of the smallest sum, so that the shift below starts at zero.
    const int sum = int(a.log) + int(b.log) + LOWEST_FRACTION;
    const Exact<WIDTH> magnitude = Exact<WIDTH>(
        Exact<WIDTH>(Tables::significand(sum & ((1 << FRACTION_BITS) - 1))) << (sum >> FRACTION_BITS));
    if (a.zero || b.zero) return Exact<WIDTH>(0);
    return a.negative != b.negative ? Exact<WIDTH>(-magnitude) : magnitude;
  }
};

#ifdef PYQKIT_SIMULATION
// Simulation looks products up. A number becomes an index such that the sum of two indices says sign, zero and logarithm of
// their product; every entry is made by the multiplier of the hardware, so all pairs of codes pass through it.
template <class Multiplier, int A_BITS, int B_BITS, int LOG_BITS, int WIDTH> struct LogLookup {
  // More than any sum of two logarithms. Negative: one span up; zero: three, out of reach of signs.
  static const int SPAN = 2 << LOG_BITS;
  Exact<WIDTH> products[7 * SPAN];
  static int index(typename Multiplier::Number number) {
    return number.zero ? 3 * SPAN : int(number.log) + (number.negative ? SPAN : 0);
  }
  LogLookup() : products() {
    for (int a = 0; a < 1 << A_BITS; ++a)
      for (int b = 0; b < 1 << B_BITS; ++b)
        products[index(Multiplier::left(a)) + index(Multiplier::right(b))] =
            Multiplier::multiply(Multiplier::left(a), Multiplier::right(b));
  }
};
#endif

template <int A_BITS, int B_BITS, int LOG_BITS, int FRACTION_BITS, int LOWEST_FRACTION, int WIDTH_,
          class Tables>
struct LogProduct {
  static const int WIDTH = WIDTH_;
  typedef LogMultiplier<A_BITS, B_BITS, LOG_BITS, FRACTION_BITS, LOWEST_FRACTION, WIDTH, Tables> Multiplier;
  typedef ap_uint<A_BITS> LeftCode;
  typedef ap_uint<B_BITS> RightCode;
#ifndef PYQKIT_SIMULATION
  typedef typename Multiplier::Number Left;
  typedef typename Multiplier::Number Right;
  static Left left(LeftCode code) {
#pragma HLS INLINE
    return Multiplier::left(int(code));
  }
  static Right right(RightCode code) {
#pragma HLS INLINE
    return Multiplier::right(int(code));
  }
  static Exact<WIDTH> multiply(Left a, Right b) {
#pragma HLS INLINE
    return Multiplier::multiply(a, b);
  }
#else
  typedef LogLookup<Multiplier, A_BITS, B_BITS, LOG_BITS, WIDTH> Lookup;
  static const Lookup lookup;
  typedef int Left;
  typedef int Right;
  static Left left(LeftCode code) { return Lookup::index(Multiplier::left(int(code))); }
  static Right right(RightCode code) { return Lookup::index(Multiplier::right(int(code))); }
  static Exact<WIDTH> multiply(Left a, Right b) { return lookup.products[a + b]; }
#endif
};

#ifdef PYQKIT_SIMULATION
template <int A_BITS, int B_BITS, int LOG_BITS, int FRACTION_BITS, int LOWEST_FRACTION, int WIDTH_,
          class Tables>
const typename LogProduct<A_BITS, B_BITS, LOG_BITS, FRACTION_BITS, LOWEST_FRACTION, WIDTH_, Tables>::Lookup
    LogProduct<A_BITS, B_BITS, LOG_BITS, FRACTION_BITS, LOWEST_FRACTION, WIDTH_, Tables>::lookup;
#endif

}  // namespace pyqkit
