// Random counters against nested loops: rows of weights, then addresses, places in the tensor and accumulators, trip by trip.
#include "array/walk.hpp"

#include "simulation/array_machine.hpp"

static const int ROWS = 4, MASK = 63;

static void check(const Small::Run &run) {
  pyqkit::array::Walk<Small::Run, ROWS, 6> walk(run);
  const int positions = run.rows * run.columns, tiles = run.taps_y * run.taps_x * run.words;
  const int span = positions < ROWS ? ROWS : positions;
  CHECK_EQUAL(walk.trips(), (tiles + 1) * span);
  for (int tile = -1; tile < tiles; ++tile)
    for (int at = 0; at < span; ++at) {
      const int next = run.same ? 0 : tile + 1;
      CHECK_EQUAL(walk.loads(), at < ROWS && tile + 1 < tiles);
      if (walk.loads()) CHECK_EQUAL(walk.row, at);
      if (walk.loads()) CHECK_EQUAL(walk.weight, run.weights + next * ROWS + at);
      CHECK_EQUAL(walk.multiplies(), at < positions && tile >= 0);
      if (walk.multiplies()) {
        const int word = tile % run.words, tap_x = tile / run.words % run.taps_x;
        const int tap_y = tile / run.words / run.taps_x, y = at / run.columns, x = at % run.columns;
        CHECK_EQUAL(walk.address, (run.base + y * run.step_row + x * run.step_column +
                                   tap_y * run.step_tap_y + tap_x * run.step_tap_x + word * run.step_word) &
                                      MASK);
        const int row = run.row + y * run.stride_y + tap_y * run.dilation_y;
        const int column = run.column + x * run.stride_x + tap_x * run.dilation_x;
        CHECK_EQUAL(walk.inside(), row >= 0 && row < run.height && column >= 0 && column < run.width);
        CHECK_EQUAL(walk.place, run.accumulator + at + (run.spread ? tile * positions : 0));
        CHECK_EQUAL(walk.replace, run.spread || (tile == 0 && !run.keep));
      }
      CHECK_EQUAL(walk.tile_ends(), at == span - 1);
      walk.step();
    }
}

int main() {
  for (int i = 0; i < 300; ++i) {
    Small::Run run = {};
    run.weights = drawn(100), run.same = drawn(2), run.accumulator = drawn(20);
    run.keep = drawn(2), run.spread = drawn(2), run.base = drawn(64);
    for (int *step : {&run.step_row, &run.step_column, &run.step_tap_y, &run.step_tap_x, &run.step_word})
      *step = drawn(64);
    run.row = between(-3, 3), run.column = between(-3, 3), run.height = drawn(6), run.width = drawn(6);
    for (int *count : {&run.rows, &run.columns, &run.taps_y, &run.taps_x, &run.words}) *count = between(1, 4);
    for (int *by : {&run.stride_y, &run.stride_x, &run.dilation_y, &run.dilation_x}) *by = drawn(4);
    check(run);
  }
  return finish_bench();
}
