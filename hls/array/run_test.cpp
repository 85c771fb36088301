// Random instructions over random memories against the sums of the definition.
#include "array/run.hpp"

#include "simulation/array_machine.hpp"

static Small::Activations activations;
static Small::Weights weights;
static Small::Accumulators accumulators;
static long long expected[100][Small::COLUMNS][2];

static void sum_up(const Small::Run &run, int tile, int at, int address, bool inside) {
  const int times = run.mode + 1 + 2 * run.weight_high + 4 * run.activation_high;
  for (int column = 0; column < Small::COLUMNS; ++column) {
    long long sums[2] = {0, 0};
    for (int row = 0; row < Small::ROWS; ++row) {
      const int number = (inside ? int(activations.slot(address, row)) : run.pad) + 5 * run.activation_table;
      const int item = run.weights + (run.same ? 0 : tile) * Small::ROWS + row;
      const int weight = int(weights.slot(item, column)) - 7 + 5 * run.weight_table;
      sums[0] += times * number * weight;
      sums[1] += number - times * weight;
    }
    const int place = run.accumulator + at + (run.spread ? tile * run.rows * run.columns : 0);
    for (int lane = 0; lane < 2; ++lane) {
      const long long before = run.spread || (tile == 0 && !run.keep) ? 0 : expected[place][column][lane];
      expected[place][column][lane] = wrapped(before + sums[lane], run.mode ? 20 : 24);
    }
  }
}

static void check(const Small::Run &run, Bytes &family) {
  for (int place = 0; place < 100; ++place)
    for (int column = 0; column < Small::COLUMNS; ++column)
      for (int lane = 0; lane < 2; ++lane)
        expected[place][column][lane] = accumulators.sum(run.bank, place, column, lane);
  int tile = 0;
  for (int tap_y = 0; tap_y < run.taps_y; ++tap_y)
    for (int tap_x = 0; tap_x < run.taps_x; ++tap_x)
      for (int word = 0; word < run.words; ++word, ++tile)
        for (int y = 0; y < run.rows; ++y)
          for (int x = 0; x < run.columns; ++x) {
            const int address = run.base + 6 * y + x + 6 * tap_y + tap_x + 20 * word;
            const int row = run.row + y + tap_y, column = run.column + x + tap_x;
            const bool inside = row >= 0 && row < run.height && column >= 0 && column < run.width;
            sum_up(run, tile, y * run.columns + x, address, inside);
          }
  pyqkit::array::run<Small>(run, activations, weights, family, accumulators);
  for (int place = 0; place < 100; ++place)
    for (int column = 0; column < Small::COLUMNS; ++column)
      for (int lane = 0; lane < 2; ++lane)
        CHECK_EQUAL(accumulators.sum(run.bank, place, column, lane), expected[place][column][lane]);
}

int main() {
  draw(activations);
  draw(weights);
  draw(accumulators);
  Bytes family;
  for (int i = 0; i < 100; ++i) {
    Small::Run run = {};
    run.mode = drawn(2), run.activation_table = drawn(2), run.weight_table = drawn(2);
    run.weights = drawn(100), run.same = drawn(2), run.bank = drawn(2);
    run.accumulator = drawn(10), run.keep = drawn(2), run.spread = drawn(4) == 0, run.pad = drawn(256);
    run.weight_high = drawn(2), run.activation_high = drawn(2), run.base = drawn(10);
    run.step_row = run.step_tap_y = 6, run.step_column = run.step_tap_x = 1, run.step_word = 20;
    run.row = between(-2, 1), run.column = between(-2, 1), run.height = drawn(5), run.width = drawn(5);
    run.rows = between(1, 3), run.columns = between(1, 3), run.words = between(1, 2);
    run.taps_y = between(1, 2), run.taps_x = between(1, 2);
    run.stride_y = run.stride_x = run.dilation_y = run.dilation_x = 1;
    check(run, family);
  }
  return finish_bench();
}
