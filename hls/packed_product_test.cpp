// Every operand pair on every place, the other places with any others, and the largest sums before they are unpacked.
#include "packed_product.hpp"
#include "simulation/test_bench.hpp"

// A pair of weights as the generator writes it.
template <class B, int LOW, int HIGH> int parts(int first, int second) {
  const int low = B::decode(first), high = int(B::decode(second)) - (low < 0 ? 1 : 0);
  return (low & ((1 << LOW) - 1)) | (high & ((1 << HIGH) - 1)) << LOW;
}

template <class A, class B, int LOW, int HIGH, int FIELD, int LEAST, int MOST, int LENGTH, int PIXELS>
void every_pair() {
  typedef pyqkit::PackedProduct<A, LOW, HIGH, FIELD, LEAST, MOST, LENGTH, PIXELS> Product;
  const int lefts = 1 << A::BITS, rights = 1 << B::BITS;
  for (int a = 0; a < lefts; ++a)
    for (int b = 0; b < rights; ++b)
      for (int other = 0; other < 3; ++other)
        for (int swapped = 0; swapped < 2; ++swapped) {
          const int x[2] = {a, (a * 5 + other * 7 + 3) % lefts};
          const int beside = (b * 3 + other * 11 + 1) % rights;
          const int w[2] = {swapped ? beside : b, swapped ? b : beside};
          typename Product::Left activations[PIXELS];
          for (int pixel = 0; pixel < PIXELS; ++pixel)
            activations[pixel] = Product::left(x[pixel ^ (swapped && PIXELS > 1)]);
          typename Product::Sum sum = Product::HALVES;
          // as often as the field allows: the extremes reach its ends
          for (int lane = 0; lane < LENGTH; ++lane)
            sum += Product::multiply(Product::together(activations[0], activations[PIXELS - 1]),
                                     Product::right(parts<B, LOW, HIGH>(w[0], w[1])));
          for (int pixel = 0; pixel < PIXELS; ++pixel)
            for (int output = 0; output < 2; ++output)
              CHECK_EQUAL(Product::unpacked(sum, output * PIXELS + pixel),
                          LENGTH * int(activations[pixel]) * int(B::decode(w[output])));
        }
}

int main() {
  typedef pyqkit::Integer<4, true> Int4;
  typedef pyqkit::Integer<7, true> Int7;
  typedef pyqkit::Integer<8, true> Int8;
  typedef pyqkit::Integer<8, false> Uint8;
  typedef pyqkit::Minifloat<2, 1, true> E2M1;
  typedef pyqkit::Minifloat<2, 2, false> Ue2m2;
  every_pair<Int4, Int4, 4, 5, 20, -56, 64, 20, 1>();
  every_pair<Uint8, Int8, 8, 9, 16, -32640, 32385, 1, 1>();
  every_pair<Int7, Int7, 7, 8, 17, -4032, 4096, 15, 1>();
  every_pair<Ue2m2, E2M1, 5, 5, 20, -336, 336, 20, 1>();
  every_pair<Int4, Int4, 4, 5, 10, -56, 64, 7, 2>();
  every_pair<Ue2m2, E2M1, 5, 5, 10, -336, 336, 1, 2>();
  return finish_bench();
}
