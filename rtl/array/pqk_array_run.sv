// Counters of a RUN: tiles of weights, and within each the positions that it is multiplied by.
//
// A tile takes as many cycles as it has positions, or rows if those are more: its rows of weights are read at the same time, two
// cycles ahead, which is enough since every row of elements needs its weights a cycle after the row above. `busy` lasts until
// the last sum is written, DRAIN cycles after the last position was counted. All of them are steps: cycles with `enable`, which is high
// when nothing is counted.
`default_nettype none
module pqk_array_run #(
    parameter int ROWS = 8,  // of elements
    parameter int ADDRESS = 13,  // bits of addresses of activations, weights and accumulators
    parameter int WEIGHTS = 15,
    parameter int ACCUMULATOR = 9,
    parameter int SIZE = 10,
    parameter int STEP = 5,
    parameter int MODE = 2,
    parameter int CHOICE = 2,
    parameter int DRAIN = 20,
    localparam int PLACE = SIZE + 2,
    localparam int ROW = ROWS > 1 ? $clog2(ROWS) : 1
) (
    input  wire                    clock,
    input  wire                    reset,
    input  wire                    enable,
    input  wire                    start,
    output logic                   busy,
    input  wire  [       MODE-1:0] mode,  // fields of the instruction, taken by `start`
    input  wire                    bank,
    input  wire                    weight_high,
    input  wire                    activation_high,
    input  wire  [     CHOICE-1:0] activation_table,
    input  wire  [     CHOICE-1:0] weight_table,
    input  wire  [            7:0] pad,
    input  wire  [    WEIGHTS-1:0] weights,
    input  wire                    same,
    input  wire  [ACCUMULATOR-1:0] accumulator,
    input  wire                    keep,
    input  wire                    spread,
    input  wire  [    ADDRESS-1:0] base,
    input  wire  [    ADDRESS-1:0] step_row,
    input  wire  [    ADDRESS-1:0] step_column,
    input  wire  [    ADDRESS-1:0] step_tap_y,
    input  wire  [    ADDRESS-1:0] step_tap_x,
    input  wire  [    ADDRESS-1:0] step_word,
    input  wire  [      PLACE-1:0] row,
    input  wire  [      PLACE-1:0] column,
    input  wire  [       SIZE-1:0] height,
    input  wire  [       SIZE-1:0] width,
    input  wire  [       SIZE-1:0] rows,
    input  wire  [       SIZE-1:0] columns,
    input  wire  [       SIZE-1:0] taps_y,
    input  wire  [       SIZE-1:0] taps_x,
    input  wire  [       SIZE-1:0] words,
    input  wire  [       STEP-1:0] stride_y,
    input  wire  [       STEP-1:0] stride_x,
    input  wire  [       STEP-1:0] dilation_y,
    input  wire  [       STEP-1:0] dilation_x,
    output logic [       MODE-1:0] run_mode,  // those that stay as they are all the time
    output logic                   run_bank,
    output logic                   run_weight_high,
    output logic                   run_activation_high,
    output logic [     CHOICE-1:0] run_activation_table,
    output logic [     CHOICE-1:0] run_weight_table,
    output logic [            7:0] run_pad,
    output logic                   weight_read,  // of this cycle
    output logic [    WEIGHTS-1:0] weight_address,
    output logic [        ROW-1:0] weight_row,
    output logic                   valid,  // a position, two cycles later
    output logic                   first,  // of a tile
    output logic [    ADDRESS-1:0] address,
    output logic                   outside,
    output logic [ACCUMULATOR-1:0] place,
    output logic                   replace
);
  // ---- what the instruction says
  logic same_l, spread_l;
  logic [WEIGHTS-1:0] weights_l;
  logic [ACCUMULATOR-1:0] accumulator_l;
  logic [ADDRESS-1:0] step_row_l, step_column_l, step_tap_y_l, step_tap_x_l, step_word_l;
  logic [PLACE-1:0] column_l;
  logic [SIZE-1:0] height_l, width_l, rows_l, columns_l, taps_y_l, taps_x_l, words_l;
  logic [STEP-1:0] stride_y_l, stride_x_l, dilation_y_l, dilation_x_l;
  always_ff @(posedge clock) begin
    if (start) begin
      {run_mode, run_bank, run_weight_high, run_activation_high} <= {mode, bank, weight_high, activation_high};
      {run_activation_table, run_weight_table, run_pad} <= {activation_table, weight_table, pad};
      {same_l, spread_l, weights_l, accumulator_l} <= {same, spread, weights, accumulator};
      {step_row_l, step_column_l, step_tap_y_l, step_tap_x_l} <= {step_row, step_column, step_tap_y, step_tap_x};
      {step_word_l, column_l, height_l, width_l} <= {step_word, column, height, width};
      {rows_l, columns_l, taps_y_l, taps_x_l, words_l} <= {rows, columns, taps_y, taps_x, words};
      {stride_y_l, stride_x_l, dilation_y_l, dilation_x_l} <= {stride_y, stride_x, dilation_y, dilation_x};
    end
  end

  // ---- where it is
  logic runs, positions_done, weights_done, replaces, fresh;
  logic [SIZE-1:0] y_left, x_left, tap_y, tap_x, word, tap_y_next, tap_x_next, word_next;
  // What is compared is known a cycle before it is looked at, and of the next tile two: tiles last for at least as many cycles as there
  // are rows.
  logic y_ends, x_ends, rows_one, columns_one, word_ends, tap_x_ends, tap_y_ends, weights_end;
  wire positions_end = x_ends && y_ends;
  wire tile_ends = positions_end && weights_end;  // what has come to its end says so until the other has, too
  wire taps_end = word_ends && tap_x_ends && tap_y_ends;
  wire counts = runs && !positions_done;
  assign weight_read = runs && !weights_done;
  always_ff @(posedge clock) if (enable) begin
    word_ends  <= word + 1'b1 == words_l;
    tap_x_ends <= tap_x + 1'b1 == taps_x_l;
    tap_y_ends <= tap_y + 1'b1 == taps_y_l;
    word_next  <= word_ends ? '0 : word + 1'b1;
    tap_x_next <= !word_ends ? tap_x : tap_x_ends ? '0 : tap_x + 1'b1;
    tap_y_next <= word_ends && tap_x_ends ? tap_y + 1'b1 : tap_y;
    if (counts) begin
      fresh  <= 0;
      x_left <= x_ends ? columns_l - 1'b1 : x_left - 1'b1;
      if (!positions_end) x_ends <= x_ends ? columns_one : x_left == 1;
      if (x_ends && !y_ends) begin
        y_left <= y_left - 1'b1;
        y_ends <= y_left == 1;
      end
    end
    if (counts && positions_end) positions_done <= 1;
    if (weight_read) weight_row <= weights_end ? '0 : weight_row + 1'b1;
    if (weight_read && weight_row == ROW'(ROWS - 2)) weights_end <= 1;
    if (weight_read && weights_end) weights_done <= 1;
    if (runs && tile_ends) begin
      {tap_y, tap_x, word} <= {tap_y_next, tap_x_next, word_next};
      {positions_done, weights_done, fresh} <= 3'b001;
      {y_left, x_left} <= {rows_l - 1'b1, columns_l - 1'b1};
      {y_ends, x_ends, weights_end} <= {rows_one, columns_one, ROWS == 1};
    end
    if (start) begin
      {positions_done, weights_done, fresh} <= 3'b001;
      {y_left, x_left} <= {rows - 1'b1, columns - 1'b1};
      {y_ends, x_ends, rows_one, columns_one} <= {2{rows == 1, columns == 1}};
      {tap_y, tap_x, word} <= '0;
      weight_row <= '0;
      weights_end <= ROWS == 1;
    end
  end

  // ---- addresses: of the first position of a tile by taps and words, then of positions
  logic [ADDRESS-1:0] at_tap_y, at_tap_x, at_word, at_row, at;
  wire [ADDRESS-1:0] at_next = !word_ends ? at_word + step_word_l : !tap_x_ends ? at_tap_x + step_tap_x_l : at_tap_y + step_tap_y_l;
  wire [ADDRESS-1:0] at_below = at_row + step_row_l;
  logic signed [PLACE-1:0] first_y, first_x, at_y, at_x;  // in the tensor
  wire signed [PLACE-1:0] next_x = !word_ends ? first_x : !tap_x_ends ? first_x + PLACE'(dilation_x_l) : column_l;
  wire signed [PLACE-1:0] next_y = word_ends && tap_x_ends ? first_y + PLACE'(dilation_y_l) : first_y;
  always_ff @(posedge clock) if (enable) begin
    if (counts) begin
      at <= x_ends ? at_below : at + step_column_l;
      at_x <= x_ends ? first_x : at_x + PLACE'(stride_x_l);
      if (x_ends && !y_ends) at_row <= at_below;
      if (x_ends && !y_ends) at_y <= at_y + PLACE'(stride_y_l);
    end
    if (runs && tile_ends) begin
      at_word <= at_next;
      if (word_ends) at_tap_x <= at_next;
      if (word_ends && tap_x_ends) at_tap_y <= at_next;
      {at_row, at} <= {2{at_next}};
      {first_y, at_y} <= {2{next_y}};
      {first_x, at_x} <= {2{next_x}};
    end
    if (start) begin
      {at_tap_y, at_tap_x, at_word, at_row, at} <= {5{base}};
      {first_y, at_y} <= {2{row}};
      {first_x, at_x} <= {2{column}};
    end
  end

  // ---- accumulators and weights
  logic [ACCUMULATOR-1:0] sum;
  always_ff @(posedge clock) if (enable) begin
    if (counts) sum <= sum + 1'b1;
    if (weight_read) weight_address <= weight_address + 1'b1;
    if (runs && tile_ends) begin
      if (!spread_l) sum <= accumulator_l;
      if (same_l) weight_address <= weights_l;
      replaces <= spread_l;
    end
    if (start) begin
      sum <= accumulator;
      weight_address <= weights;
      replaces <= spread || !keep;
    end
  end

  // ---- two cycles behind the weights
  wire in_tensor = !at_y[PLACE-1] && at_y < PLACE'(height_l) && !at_x[PLACE-1] && at_x < PLACE'(width_l);
  pqk_delay #(.WIDTH(ADDRESS + ACCUMULATOR + 3), .STAGES(2)) behind (
      .clock, .enable, .d({counts && fresh, !in_tensor, replaces, at, sum}), .q({first, outside, replace, address, place})
  );
  logic [1:0] counted;
  assign valid = counted[1];

  logic [$clog2(DRAIN+1)-1:0] drained;
  always_ff @(posedge clock) begin
    if (enable) counted <= {counted[0], counts};
    if (enable) drained <= runs ? '0 : drained + 1'b1;
    if (reset) {runs, busy, counted} <= '0;
    else if (start) {runs, busy} <= '1;
    else if (enable && runs && tile_ends && taps_end) runs <= 0;
    else if (enable && !runs && drained == ($clog2(DRAIN + 1))'(DRAIN)) busy <= 0;
  end
endmodule
`default_nettype wire
