// Two frames of three rows of four scores in words of two, and rows of one word: shares of 4 units on every tie. The same
// rows of heads of a causal mask.
#include "softmax.hpp"
#include "simulation/test_bench.hpp"

struct Table {  // entries 2**code, with their powers of two apart for codes from 8 on
  static int64_t significand(int code) { return code == 15 ? 0 : code < 8 ? 1 << code : 128; }
  static int64_t exponent(int code) { return code < 8 || code == 15 ? 0 : code == 14 ? 40 : code - 7; }
};

// The unit is a quarter: a share s has reached place k if 8 s >= 2 k - 1, more than that for the first and the third.
struct Search {
  static int64_t factor(int) { return 8; }
  static int64_t limit(pyqkit::Step<1>, int, int) { return 2 * 3; }
  static int64_t limit(pyqkit::Step<0>, int above, int) { return above ? 2 * 5 + 1 : 2 * 1 + 1; }
  static int64_t code(int place) { return 3 - place; }
};

template <int WORDS_, int LANES_, int HEADS_> struct Shape {
  static const int ROWS = 3, WORDS = WORDS_, LANES = LANES_, TERM_BITS = 8, EXPONENT_BITS = 6, HEADS = HEADS_;
  static const int SUM_BITS = 10, WIDE_BITS = 20, STEPS = 2, PIECES = 1;
};

static int code_of(int term, int sum) {
  return 3 - ((8 * term > sum) + (8 * term >= 3 * sum) + (8 * term > 5 * sum));
}

template <int WORDS, int LANES, int HEADS> void check(const int *scores) {
  typedef Shape<WORDS, LANES, HEADS> S;
  int terms[2 * 12], codes[2 * 12];
  for (int row = 0; row < 6; ++row) {
    const int sees = HEADS ? row % 3 / HEADS + 1 : 4;
    int top = 0, sum = 0;
    for (int i = 4 * row; i < 4 * row + sees; ++i)
      if (Table::exponent(scores[i]) > top) top = int(Table::exponent(scores[i]));
    for (int i = 4 * row; i < 4 * row + 4; ++i) {
      const int down = top - int(Table::exponent(scores[i]));
      sum += terms[i] = down > 30 || i - 4 * row >= sees ? 0 : int(Table::significand(scores[i])) >> down;
    }
    for (int i = 4 * row; i < 4 * row + 4; ++i) codes[i] = code_of(terms[i], sum);
  }
  hls::stream<pyqkit::Word<ap_uint<4>, LANES>> in("in", 100);
  hls::stream<pyqkit::Word<ap_uint<8>, LANES>> found("terms", 100);
  hls::stream<pyqkit::Word<ap_uint<2>, LANES>> out("out", 100);
  send<ap_uint<4>, LANES>(in, scores, 24);
  for (int frame = 0; frame < 2; ++frame) pyqkit::softmax_terms<4, S, Table>(in, found);
  CHECK_EQUAL(in.size(), 0);
  expect<ap_uint<8>, LANES>(found, terms, 24);
  send<ap_uint<8>, LANES>(found, terms, 24);
  for (int frame = 0; frame < 2; ++frame) pyqkit::softmax_codes<2, S, Search>(found, out);
  expect<ap_uint<2>, LANES>(out, codes, 24);
}

int main() {
  // shares of an eighth, three and five eighths; an entry below the largest power, and one far below it
  const int scores[24] = {5, 3, 4, 3, 2, 3, 2, 15, 5, 5, 6, 15, 8, 9, 10, 11, 14, 8, 0, 13, 0, 0, 1, 15};
  check<2, 2, 0>(scores);
  check<1, 4, 0>(scores);
  check<4, 1, 0>(scores);
  const int others[24] = {5, 14, 4, 3, 2, 3, 14, 1, 5, 5, 6, 15, 8, 9, 10, 11, 4, 8, 0, 13, 0, 0, 1, 15};
  check<2, 2, 1>(others);
  check<1, 4, 1>(others);
  check<4, 1, 2>(others);
  return finish_bench();
}
