// Which pixels a sliding window waits for and gives up: counts them, and so tells when the present window is complete and when
// there is room for another pixel.
//
// Nothing is compared where it is needed. Two counters hold how many pixels are there beyond those that the window needs, and
// how many are kept beyond those that fit; what the next window adds to both is looked up two windows ahead.
`default_nettype none
module pqk_window_pixels #(
    parameter int HEIGHT = 4,
    parameter int WIDTH = 4,
    parameter int ROWS = 4,  // of the output
    parameter int COLUMNS = 4,
    parameter int STRIDE_ROWS = 1,
    parameter int STRIDE_COLUMNS = 1,
    parameter int BACK_ROWS = 2,  // from the first tap of a window to the last
    parameter int BACK_COLUMNS = 2,
    parameter int TOP = 1,
    parameter int LEFT = 1,
    parameter int PASSES = 1,  // windows of a pixel of the output
    parameter bit SINGLE = 0,  // windows have a single word
    parameter int LINE_PIXELS = 12
) (
    input  wire        clock,
    input  wire        reset,
    input  wire        write_pixel,  // a pixel is complete
    input  wire        end_window,   // its last address is worked out
    input  wire        step,         // what was worked out moves on: the word behind the last address is read
    output logic       room,         // for another pixel
    output logic       complete,     // all pixels of the window are there
    output wire        turn,         // the window gives way to the next one
    output logic [1:0] following     // that one is followed by a window at the same place, in the next column, row, frame
);
  function automatic int clip(input int x, input int most);
    clip = x < 0 ? 0 : x > most ? most : x;
  endfunction

  function automatic int larger(input int x, input int y);
    larger = x > y ? x : y;
  endfunction

  // Pixels before the last one that windows in a row, and in a column, of the output need.
  function automatic int row_needs(input int row);
    row_needs = clip(row * STRIDE_ROWS - TOP + BACK_ROWS, HEIGHT - 1) * WIDTH;
  endfunction

  function automatic int column_needs(input int column);
    column_needs = clip(column * STRIDE_COLUMNS - LEFT + BACK_COLUMNS, WIDTH - 1);
  endfunction

  // Pixels that neither they nor later windows need; columns count unless the next row of windows begins in the same row.
  function automatic int row_leaves(input int row);
    row_leaves = clip(row * STRIDE_ROWS - TOP, HEIGHT) * WIDTH;
  endfunction

  function automatic int column_leaves(input int column);
    column_leaves = clip(column * STRIDE_COLUMNS - LEFT, WIDTH);
  endfunction

  function automatic bit moves(input int row);
    moves = row_leaves(row + 1) > row_leaves(row);
  endfunction

  // How many more pixels the next window needs, and leaves, than that at the end of a row.
  function automatic int row_takes(input int row);
    row_takes = column_needs(0) - column_needs(COLUMNS - 1) - row_needs(row) +
        (row == ROWS - 1 ? HEIGHT * WIDTH + row_needs(0) : row_needs(row + 1));
  endfunction

  function automatic int row_frees(input int row);
    row_frees = (row == ROWS - 1 ? HEIGHT * WIDTH + row_leaves(0) : row_leaves(row + 1)) +
        (moves(row == ROWS - 1 ? 0 : row + 1) ? column_leaves(0) : 0) - row_leaves(row) -
        (moves(row) ? column_leaves(COLUMNS - 1) : 0);
  endfunction

  // The largest number that either counter of pixels can hold.
  function automatic int largest_count();
    int most, row_excess, column_excess;
    most = row_needs(0) + column_needs(0) + 1;
    row_excess = -HEIGHT * WIDTH;
    column_excess = -WIDTH;
    for (int row = 0; row < ROWS; row++) begin
      most = larger(most, larger(row_takes(row), row_frees(row)));
      row_excess = larger(row_excess, row_leaves(row) - row_needs(row));
    end
    for (int column = 0; column < COLUMNS; column++) begin
      column_excess = larger(column_excess, column_leaves(column) - column_needs(column));
    end
    largest_count = LINE_PIXELS + larger(most, STRIDE_COLUMNS) + larger(row_excess + column_excess, 0);
  endfunction

  localparam int COUNT_BITS = $clog2(largest_count() + 1) + 1;

  localparam int ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1;
  localparam int COLUMN_BITS = COLUMNS > 1 ? $clog2(COLUMNS) : 1;
  localparam int PASS_BITS = PASSES > 1 ? $clog2(PASSES) : 1;

  // What a window needs and gives up less than the next one, if that stands in the same row, and if it does not.
  function automatic [COUNT_BITS-1:0] column_need_of(input int column);
    column_need_of = COUNT_BITS'(column_needs(column) - column_needs(column + 1));
  endfunction

  function automatic [COUNT_BITS-1:0] column_leave_of(input int column);
    column_leave_of = COUNT_BITS'(column_leaves(column) - column_leaves(column + 1));
  endfunction

  function automatic [COUNT_BITS-1:0] row_need_of(input int row);
    row_need_of = COUNT_BITS'(-row_takes(row));
  endfunction

  function automatic [COUNT_BITS-1:0] row_leave_of(input int row);
    row_leave_of = COUNT_BITS'(-row_frees(row));
  endfunction

  logic signed [COUNT_BITS-1:0] column_need[COLUMNS], column_leave[COLUMNS], row_need[ROWS], row_leave[ROWS];
  logic row_moves[ROWS];
  initial begin
    for (int i = 0; i < COLUMNS; i++) begin
      column_need[i]  = column_need_of(i);
      column_leave[i] = column_leave_of(i);
    end
    for (int i = 0; i < ROWS; i++) begin
      row_need[i]  = row_need_of(i);
      row_leave[i] = row_leave_of(i);
      row_moves[i] = moves(i);
    end
  end

  localparam bit [1:0] SAME = 0, NEXT_COLUMN = 1, NEXT_ROW = 2, NEXT_FRAME = 3;

  // In the cycle after its last address has been worked out, a window gives its pixels up and gives way to the next one; behind
  // that, there is another cycle to look up a further one. Windows of a single word do all at once.
  logic signed [COUNT_BITS-1:0] need, leave;
  wire signed [COUNT_BITS-1:0] leaving;
  wire look_up;
  logic ended, unread;  // while its last word has not been read, no pixel may come in its place
  always_ff @(posedge clock) begin
    ended  <= end_window && !reset;
    unread <= (ended || unread) && !step && !reset;
  end
  generate
    if (SINGLE) begin : g_at_once
      logic signed [COUNT_BITS-1:0] left;
      always_ff @(posedge clock) left <= leave;
      assign leaving = left;
      assign turn = end_window;
      assign look_up = end_window;
    end else begin : g_later
      logic turned;
      always_ff @(posedge clock) turned <= turn && !reset;
      assign leaving = leave;
      assign turn = ended;
      assign look_up = turned;
    end
  endgenerate

  // Places of the windows, two windows ahead: window `number` stands in this column and row.
  function automatic int column_of(input int number);
    column_of = number / PASSES % COLUMNS;
  endfunction

  function automatic int row_of(input int number);
    row_of = number / PASSES / COLUMNS % ROWS;
  endfunction

  function automatic bit [1:0] following_of(input int number);
    following_of = (number + 1) % PASSES != 0 ? SAME : column_of(number) != COLUMNS - 1 ? NEXT_COLUMN :
        row_of(number) != ROWS - 1 ? NEXT_ROW : NEXT_FRAME;
  endfunction

  wire [PASS_BITS-1:0] pass;
  wire [COLUMN_BITS-1:0] column;
  wire [ROW_BITS-1:0] row;
  wire last_pass, last_column, last_row;
  pqk_counter #(
      .LENGTH(PASSES),
      .START (2 % PASSES)
  ) passes (
      .clock,
      .reset,
      .advance(look_up),
      .count(pass),
      .last(last_pass)
  );
  pqk_counter #(
      .LENGTH(COLUMNS),
      .START (column_of(2))
  ) columns (
      .clock,
      .reset,
      .advance(look_up && last_pass),
      .count(column),
      .last(last_column)
  );
  pqk_counter #(
      .LENGTH(ROWS),
      .START (row_of(2))
  ) rows (
      .clock,
      .reset,
      .advance(look_up && last_pass && last_column),
      .count(row),
      .last(last_row)
  );

  // A window ahead.
  logic signed [COUNT_BITS-1:0] column_need_soon, column_leave_soon, row_need_soon, row_leave_soon;
  always_ff @(posedge clock) begin
    if (reset) begin
      column_need_soon <= column_need_of(column_of(1));
      column_leave_soon <= moves(row_of(1)) ? column_leave_of(column_of(1)) : COUNT_BITS'(0);
      row_need_soon <= row_need_of(row_of(1));
      row_leave_soon <= row_leave_of(row_of(1));
      following <= following_of(1);
    end else if (look_up) begin
      column_need_soon <= column_need[column];
      column_leave_soon <= row_moves[row] ? column_leave[column] : COUNT_BITS'(0);
      row_need_soon <= row_need[row];
      row_leave_soon <= row_leave[row];
      following <= !last_pass ? SAME : !last_column ? NEXT_COLUMN : !last_row ? NEXT_ROW : NEXT_FRAME;
    end
  end

  // The present window.
  always_ff @(posedge clock) begin
    if (reset) begin
      need <= following_of(0) == SAME ? COUNT_BITS'(0) : following_of(0) == NEXT_COLUMN ? column_need_of(0) : row_need_of(0);
      leave <= following_of(0) == SAME || (following_of(0) == NEXT_COLUMN && !moves(0)) ? COUNT_BITS'(0) :
          following_of(0) == NEXT_COLUMN ? column_leave_of(0) : row_leave_of(0);
    end else if (turn) begin
      need <= following == SAME ? COUNT_BITS'(0) : following == NEXT_COLUMN ? column_need_soon : row_need_soon;
      leave <= following == SAME ? COUNT_BITS'(0) : following == NEXT_COLUMN ? column_leave_soon : row_leave_soon;
    end
  end

  // All sums take the pixel that is written as their carry.
  logic signed [COUNT_BITS-1:0] ahead, beyond;
  wire [COUNT_BITS:0] ahead_next = {ahead, 1'b1} + {turn ? need : COUNT_BITS'(0), write_pixel};
  wire [COUNT_BITS:0] ahead_turned = {ahead, 1'b1} + {need, write_pixel};
  wire [COUNT_BITS:0] beyond_next = {beyond, 1'b1} + {ended ? leaving : COUNT_BITS'(0), write_pixel};
  wire unused = &{pass, ahead_next, ahead_turned, beyond_next};
  always_ff @(posedge clock) begin
    if (reset) begin
      ahead <= COUNT_BITS'(-row_needs(0) - column_needs(0) - 1);
      beyond <= COUNT_BITS'(-LINE_PIXELS);
      complete <= 0;
    end else begin
      ahead <= ahead_next[COUNT_BITS:1];
      beyond <= beyond_next[COUNT_BITS:1];
      complete <= end_window || turn ? !ahead_turned[COUNT_BITS] : !ahead[COUNT_BITS-1] || (&ahead && write_pixel);
    end
  end
  assign room = beyond[COUNT_BITS-1] && !unread;

  if (PASSES < 1 || BACK_ROWS < 0 || BACK_COLUMNS < 0) begin : g_illegal
    $error("windows of a pixel at least were expected: PASSES, BACK_ROWS, BACK_COLUMNS");
  end
endmodule
`default_nettype wire
