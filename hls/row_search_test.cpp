// Limits that are reached, just missed, and strict, below and above zero, narrow and of two pieces; each place once.
#include "row_search.hpp"
#include "simulation/test_bench.hpp"

using pyqkit::Step;

// x >= -3 * total, x > 0, x >= 5 * total
struct Narrow {
  static int64_t limit(Step<1>, int, int) { return 1; }
  static int64_t limit(Step<0>, int above, int) { return above ? 10 : -6; }
};

// x >= -2**40 * total, x >= 7 * total, x > 2**33 * total
struct Pieces {
  static int64_t limit(Step<1>, int, int piece) { return piece ? 0 : 14; }
  static int64_t limit(Step<0>, int above, int piece) {
    static const int64_t pieces[2][2] = {{0, -512}, {1, 4}};
    return pieces[above][piece];
  }
};

template <class Table, int PIECES, int BITS> int place(int64_t x, int64_t total) {
  typedef pyqkit::Wide<BITS> W;
  return pyqkit::row_place<Table, W, PIECES>(W(x), W(total), 0, Step<1>());
}

int main() {
  for (int total = 1; total < 40; ++total)
    for (int x = -200; x <= 200; ++x)
      CHECK_EQUAL((place<Narrow, 1, 20>(x, total)), (x >= -3 * total) + (x > 0) + (x >= 5 * total));
  const int64_t total = 3, limits[3] = {-total << 40, 7 * total, total << 33};
  for (int i = 0; i < 3; ++i)
    for (int more = -1; more <= 1; ++more) {
      const int64_t x = limits[i] + more;
      CHECK_EQUAL((place<Pieces, 2, 100>(x, total)), (x >= limits[0]) + (x >= limits[1]) + (x > limits[2]));
    }
  return finish_bench();
}
