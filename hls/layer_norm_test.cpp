// Six pixels of four channels in words of two, two frames; codes as squares say, a root that is whole among them. Numbers
// of 200 bits give what those of 100 do.
#include "layer_norm.hpp"
#include "simulation/test_bench.hpp"

typedef pyqkit::Integer<4, true> In;
static const int gains[4] = {3, -2, 1, 5}, offsets[4] = {0, 1, -3, 2};
static const int limits[3] = {-2, 0, 3};  // times a unit of 2; the second must be passed

struct Table {
  static int64_t scale(int piece) { return piece ? 0 : 2; }
  static int64_t epsilon(int piece) { return piece ? 0 : 36; }
  static int64_t unit(int piece) { return piece ? 0 : 2; }
  static int64_t gain(int word, int lane, int piece) { return piece ? 0 : gains[2 * word + lane]; }
  static int64_t offset(int word, int lane, int piece) {
    const int value = offsets[2 * word + lane];
    return piece ? (value < 0 ? -1 : 0) : value & 0xffffffffLL;
  }
  static int64_t limit(pyqkit::Step<1>, int, int piece) { return piece ? 0 : 1; }
  static int64_t limit(pyqkit::Step<0>, int above, int piece) {
    return above ? (piece ? 0 : 6) : (piece ? -1 : 0xffffffffLL & -4);
  }
  static int64_t code(int place) { return place; }
};
// gains of one piece have a sign in it
struct Signed : Table {
  static int64_t gain(int word, int lane, int) { return gains[2 * word + lane]; }
};

// With one comparison limits stand by a 1 and the bits so far.
struct InTurn : Signed {
  static int64_t limit(pyqkit::Step<0>, int place, int piece) {
    return place == 1 ? Table::limit(pyqkit::Step<1>(), 0, piece)
                      : Table::limit(pyqkit::Step<0>(), place - 2, piece);
  }
};

template <bool CENTRED_, int WIDE> struct Shape {
  static const int PIXELS = 3, WORDS = 2, LANES = 2, CENTRED = CENTRED_, SUM_BITS = 7, SQUARE_BITS = 10;
  static const int RADICAND_BITS = 14, RADICAND_PIECES = 2, ROOT_PIECES = 2, FRACTION_BITS = 23;
  static const int WIDE_BITS = WIDE, STEPS = 2, PIECES = 2, GAIN_PIECES = 1, OFFSET_PIECES = 2;
};

// Whether a >= m * sqrt(w), or a > m * sqrt(w).
static bool reached(int64_t a, int64_t m, int64_t w, bool strict) {
  const int64_t left = a < 0 ? -a * a : a * a, right = m < 0 ? -m * m * w : m * m * w;
  return strict ? left > right : left >= right;
}

template <bool CENTRED, int WIDE, bool IN_TURN = false> void check(const int *integers) {
  typedef Shape<CENTRED, WIDE> S;
  int codes[24], places[24];
  for (int pixel = 0; pixel < 6; ++pixel) {
    const int *x = integers + 4 * pixel;
    int sum = 0, squares = 0;
    for (int i = 0; i < 4; ++i) sum += CENTRED ? x[i] : 0, squares += x[i] * x[i];
    const int64_t w = 2 * (4 * squares - sum * sum) + 36;
    for (int i = 0; i < 4; ++i) {
      const int64_t a = gains[i] * (4 * x[i] - sum);
      int place = 0;
      for (int k = 0; k < 3; ++k) place += reached(a, 2 * limits[k] - offsets[i], w, k == 1);
      codes[4 * pixel + i] = x[i] & 15;
      places[4 * pixel + i] = place;
    }
  }
  typedef typename pyqkit::RootState<S>::Packed State;
  hls::stream<pyqkit::Word<ap_uint<4>, 2>> in("in", 100), later("later", 100);
  hls::stream<State> moments("moments", 100), half("half", 100), roots("roots", 100);
  hls::stream<pyqkit::Word<ap_uint<2>, 2>> out("out", 100);
  send<ap_uint<4>, 2>(in, codes, 24);
  for (int frame = 0; frame < 2; ++frame) {
    pyqkit::norm_moments<In, S, Table>(in, later, moments);
    CHECK_EQUAL(moments.size(), 3);
    pyqkit::norm_root<15, S>(moments, half);
    pyqkit::norm_root<15, S>(half, roots);
    if (IN_TURN)
      pyqkit::norm_codes_in_turn<In, 2, S, InTurn>(later, roots, out);
    else
      pyqkit::norm_codes<In, 2, S, Signed>(later, roots, out);
  }
  expect<ap_uint<2>, 2>(out, places, 24);
}

int main() {
  // Ends of the range; equal ones: w = 36; -2 to 2: w = 100, and the last of them is 4 roots, on the third limit.
  const int integers[24] = {3, -1, -1, -1, 1, 1, 1, -3, 7, -8, 7, -8, 5, 5, 5, 5, -2, 0, 0, 2, 2, -3, 6, -1};
  check<true, 100>(integers);
  check<false, 100>(integers);
  check<true, 200>(integers);
  check<true, 100, true>(integers);
  check<false, 200, true>(integers);
  return finish_bench();
}
