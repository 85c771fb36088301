// Random instructions over random sums against the definition: scaled, added up or the largest, searched, and put in planes.
#include "array/post.hpp"

#include "simulation/array_machine.hpp"

static Small::Accumulators accumulators;
static Small::Parameters parameters;
static Small::Boundaries boundaries;
static Small::Codes codes;
static long long values[255];

static long long scaled(const Small::Post &post, int position, int lane, int term, int column) {
  const int index = post.parameters + (post.maximum ? lane : lane * post.terms + term);
  const unsigned long long item = parameters.words[index][column];  // 64 bits a column here
  const long long x =
      accumulators.sum(post.bank, post.accumulator + term * post.pitch + position, column, lane);
  return wrapped(x * wrapped(item, 16) + wrapped(item >> 16, 48), 48);
}

static int place(const Small::Post &post, long long y) {
  int passed = 0;
  while (passed < (1 << post.stages) - 1 && values[passed] <= y) ++passed;
  return passed;
}

static int code(const Small::Post &post, int position, int lane, int column) {
  long long sum = 0;
  int largest = 0;
  for (int term = 0; term < post.terms; ++term) {
    const long long y = scaled(post, position, lane, term, column);
    sum = wrapped(sum + y, 48);
    largest = place(post, y) > largest ? place(post, y) : largest;
  }
  return (post.maximum ? largest : place(post, sum)) * 37 & 255;
}

static void check(const Small::Post &post) {
  Small::Activations found;
  draw(found);
  int expected[64][Small::ROWS];
  for (int word = 0; word < 64; ++word)
    for (int row = 0; row < Small::ROWS; ++row) expected[word][row] = found.slot(word, row);
  for (int position = 0; position < post.rows * post.columns; ++position)
    for (int channel = 0; channel < post.channels; ++channel) {
      const int at = post.slot + channel, plane = post.plane + at / Small::ROWS, row = at % Small::ROWS;
      const int y = position / post.columns, x = position % post.columns;
      const int word = (post.base + y * post.step_row + x * post.step_column + plane / post.planes) & 63;
      const int low = plane % post.planes * post.code_bits, mask = ((1 << post.code_bits) - 1) << low;
      const int put = code(post, position, channel / Small::COLUMNS, channel % Small::COLUMNS) << low;
      expected[word][row] = (expected[word][row] & ~mask) | (put & mask);
    }
  pyqkit::array::post<Small>(post, accumulators, parameters, boundaries, codes, found);
  for (int word = 0; word < 64; ++word)
    for (int row = 0; row < Small::ROWS; ++row) CHECK_EQUAL(found.slot(word, row), expected[word][row]);
}

int main() {
  draw(accumulators);
  draw(parameters);
  long long value = -(1ll << 46);
  for (int i = 0; i < 255; ++i)
    boundaries.put(i, (unsigned long long)(values[i] = value += drawn(1 << 30) << 8));
  for (int i = 0; i < 256; ++i) codes.put(i, i * 37 & 255);
  for (int i = 0; i < 200; ++i) {
    Small::Post post = {};
    post.bank = drawn(2), post.accumulator = drawn(20), post.pitch = drawn(16);
    post.rows = between(1, 3), post.columns = between(1, 3), post.lanes = between(1, 2);
    post.terms = between(1, 3), post.maximum = drawn(2), post.parameters = drawn(20), post.stages = drawn(9);
    post.base = drawn(64), post.step_column = 3, post.step_row = 10, post.slot = drawn(Small::ROWS);
    post.planes = 1 << drawn(3), post.code_bits = 8 / post.planes, post.plane = drawn(post.planes);
    post.channels = (post.lanes - 1) * Small::COLUMNS + between(1, Small::COLUMNS);
    check(post);
  }
  return finish_bench();
}
