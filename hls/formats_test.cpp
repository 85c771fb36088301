// Every code of some formats against values written down by hand.
#include "formats.hpp"
#include "simulation/test_bench.hpp"

int main() {
  const int e2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};  // in units of 1/2
  for (int code = 0; code < 16; ++code)
    CHECK_EQUAL((pyqkit::Minifloat<2, 1, true>::decode(code)), e2m1[code]);
  const int e3m0[16] = {0, 1, 2, 4, 8, 16, 32, 64, 0, -1, -2, -4, -8, -16, -32, -64};  // in units of 1/4
  for (int code = 0; code < 16; ++code)
    CHECK_EQUAL((pyqkit::Minifloat<3, 0, true>::decode(code)), e3m0[code]);
  // E4M3 without NaN, in units of 2**-9.
  CHECK_EQUAL((pyqkit::Minifloat<4, 3, true>::decode(0x7f)), 480 * 512);
  CHECK_EQUAL((pyqkit::Minifloat<4, 3, true>::decode(0x01)), 1);
  CHECK_EQUAL((pyqkit::Minifloat<2, 2, false>::decode(0xf)), 7 * 4);  // unsigned E2M2: 7, in units of 1/4
  for (int code = 0; code < 16; ++code) {
    CHECK_EQUAL((pyqkit::Integer<4, true>::decode(code)), code < 8 ? code : code - 16);
    CHECK_EQUAL((pyqkit::Integer<4, false>::decode(code)), code);
  }
  CHECK_EQUAL((pyqkit::Integer<8, false, 128>::decode(0)), -128);
  CHECK_EQUAL((pyqkit::Integer<8, false, 128>::decode(255)), 127);
  return finish_bench();
}
