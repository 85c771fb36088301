// All pairs of E2M1 codes, and LP<4,0,3> products against rounded powers of two.
#include <cmath>

#include "product.hpp"
#include "simulation/test_bench.hpp"

// LP<4,0,3>: logarithms of codes 1..7 are -2, -1, -1/2, 0, 1/2, 1, 2; entries are (twice the logarithm + 4) << 2 | negative << 1 | zero.
struct Lp4 {
  static int64_t left(int code) {
    static const int twice[8] = {0, -4, -2, -1, 0, 1, 2, 4};
    if (code == 0 || code == 8) return 1;
    return code < 8 ? (twice[code] + 4) << 2 : (twice[16 - code] + 4) << 2 | 2;
  }
  static int64_t right(int code) { return left(code); }
  static int64_t significand(int fraction) { return fraction ? 181 : 128; }
};

// The multiplier of the hardware against integers, for every pair of codes.
template <class A, class B, int WIDTH> void every_pair() {
  typedef pyqkit::MinifloatMultiplier<A, B, WIDTH> Multiplier;
  for (int a = 0; a < 1 << A::BITS; ++a)
    for (int b = 0; b < 1 << B::BITS; ++b)
      CHECK_EQUAL(Multiplier::multiply(pyqkit::Significand<A>::of(a), pyqkit::Significand<B>::of(b)),
                  (long long)(A::decode(a)) * (long long)(B::decode(b)));
}

int main() {
  every_pair<pyqkit::Minifloat<2, 1, true>, pyqkit::Minifloat<2, 1, true>, 9>();
  every_pair<pyqkit::Minifloat<2, 2, false>, pyqkit::Minifloat<2, 1, true>, 10>();
  every_pair<pyqkit::Minifloat<4, 3, true>, pyqkit::Minifloat<3, 0, true>, 28>();
  every_pair<pyqkit::Minifloat<4, 3, true>, pyqkit::Minifloat<4, 3, true>, 37>();
  every_pair<pyqkit::Minifloat<1, 6, true>, pyqkit::Minifloat<5, 2, true>, 42>();
  typedef pyqkit::Minifloat<2, 1, true> E2M1;
  typedef pyqkit::IntegerProduct<E2M1, E2M1, 9> Product;
  for (int a = 0; a < 16; ++a)
    for (int b = 0; b < 16; ++b)
      CHECK_EQUAL(Product::multiply(Product::left(a), Product::right(b)),
                  int(E2M1::decode(a)) * int(E2M1::decode(b)));
  typedef pyqkit::LogProduct<4, 4, 4, 1, 0, 17, Lp4> Log;
  for (int a = 0; a < 16; ++a)
    for (int b = 0; b < 16; ++b) {
      const long long x = Lp4::left(a), y = Lp4::left(b);
      double expected = 0;
      if (!(x & 1) && !(y & 1)) {
        // Twice the logarithm of the product, -8 to 8.
        const double half_logs = ((x >> 2) - 4) + ((y >> 2) - 4);
        const double whole = std::floor(half_logs / 2);
        expected = std::round(128 * std::exp2(half_logs / 2 - whole)) * std::exp2(whole + 4) *
                   (((x >> 1) & 1) == ((y >> 1) & 1) ? 1 : -1);
      }
      CHECK_EQUAL(Log::multiply(Log::left(a), Log::right(b)), expected);
    }
  return finish_bench();
}
