// Sliding window: pixels in raster order to windows, ordered group by group, then kernel row, kernel column, channel; each
// window of a group comes REPEAT times, so that what multiplies it need not keep it.
//
// Reading and writing overlap without a gap, also from frame to frame: the line memory is a ring of pixels, and a pixel enters
// as soon as the oldest one is needed no more. A window begins as soon as its last pixel is in. Outside the image stands FILL.
`default_nettype none
module pqk_sliding_window #(
    parameter int BITS = 4,
    parameter int HEIGHT = 4,
    parameter int WIDTH = 4,
    parameter int CHANNELS = 1,
    parameter int ROWS = 4,  // of the output
    parameter int COLUMNS = 4,
    parameter int KERNEL_ROWS = 3,
    parameter int KERNEL_COLUMNS = 3,
    parameter int STRIDE_ROWS = 1,
    parameter int STRIDE_COLUMNS = 1,
    parameter int DILATION_ROWS = 1,
    parameter int DILATION_COLUMNS = 1,
    parameter int TOP = 1,
    parameter int LEFT = 1,
    parameter int GROUPS = 1,
    parameter int REPEAT = 1,
    parameter int LANES_IN = 1,  // a multiple of LANES_OUT that divides CHANNELS
    parameter int LANES_OUT = 1,
    parameter int LINE_PIXELS = 12,
    parameter int STAGES = 3,  // registers of a word: its address, the memory's own, and, if 3, that of the output
    parameter bit [BITS-1:0] FILL = 0
) (
    input  wire                       clock,
    input  wire                       reset,
    input  wire                       in_valid,
    output logic                      in_ready,
    input  wire  [ LANES_IN*BITS-1:0] in_data,
    output logic                      out_valid,
    input  wire                       out_ready,
    output logic [LANES_OUT*BITS-1:0] out_data
);
  localparam int WORDS = CHANNELS / LANES_IN;  // of a pixel in the memory
  localparam int SIZE = LINE_PIXELS * WORDS;
  localparam int PARTS = LANES_IN / LANES_OUT;  // of a word in the memory
  localparam int UNITS = CHANNELS / GROUPS / LANES_OUT;  // words of a pixel of a group at the output
  localparam int ADDRESS_BITS = SIZE > 1 ? $clog2(SIZE) : 1;
  localparam int WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int PART_BITS = PARTS > 1 ? $clog2(PARTS) : 1;
  localparam int READS = UNITS * KERNEL_ROWS * KERNEL_COLUMNS;  // words of a window
  localparam int READ_BITS = READS > 1 ? $clog2(READS) : 1;
  localparam int UNIT_BITS = UNITS > 1 ? $clog2(UNITS) : 1;
  localparam int ROW_READ_BITS = UNITS * KERNEL_COLUMNS > 1 ? $clog2(UNITS * KERNEL_COLUMNS) : 1;
  // From the first tap of a window to the last, and from the first window to the last.
  localparam int BACK_ROWS = (KERNEL_ROWS - 1) * DILATION_ROWS, BACK_COLUMNS = (KERNEL_COLUMNS - 1) * DILATION_COLUMNS;
  localparam int DOWN = (ROWS - 1) * STRIDE_ROWS, ACROSS = (COLUMNS - 1) * STRIDE_COLUMNS;

  // ---- writing --------------------------------------------------------------------------------------------------------
  logic [LANES_IN*BITS-1:0] memory[SIZE];
  wire [ADDRESS_BITS-1:0] write_address;
  wire [WORD_BITS-1:0] write_word;
  wire write_word_last, write_address_last;
  wire write = in_valid && in_ready;
  wire write_pixel = write && write_word_last;
  pqk_counter #(
      .LENGTH(WORDS)
  ) write_words (
      .clock,
      .reset,
      .advance(write),
      .count(write_word),
      .last(write_word_last)
  );
  pqk_counter #(
      .LENGTH(SIZE)
  ) write_addresses (
      .clock,
      .reset,
      .advance(write),
      .count(write_address),
      .last(write_address_last)
  );
  always_ff @(posedge clock) if (write) memory[write_address] <= in_data;

  // ---- reading: windows, their taps, the words of a tap -----------------------------------------------------------------
  logic [STAGES-1:0] valid;
  wire step = out_ready || !valid[STAGES-1];
  wire complete;
  wire issue = step && complete;
  wire turn;  // to another window; what follows that one
  wire [1:0] following;
  localparam int FIRST_FOLLOWING = REPEAT * GROUPS > 1 ? 0 : COLUMNS > 1 ? 1 : ROWS > 1 ? 2 : 3;
  wire last_unit, last_row_read, last_read;  // of a tap, a kernel row, a window
  wire end_tap = issue && last_unit;
  wire end_window = issue && last_read;
  wire [UNIT_BITS-1:0] unit;
  wire [ROW_READ_BITS-1:0] row_read;
  wire [READ_BITS-1:0] read;
  wire unused = &{unit, row_read, read, write_word, write_address_last};
  pqk_window_pixels #(
      .HEIGHT(HEIGHT),
      .WIDTH(WIDTH),
      .ROWS(ROWS),
      .COLUMNS(COLUMNS),
      .STRIDE_ROWS(STRIDE_ROWS),
      .STRIDE_COLUMNS(STRIDE_COLUMNS),
      .BACK_ROWS(BACK_ROWS),
      .BACK_COLUMNS(BACK_COLUMNS),
      .TOP(TOP),
      .LEFT(LEFT),
      .PASSES(REPEAT * GROUPS),
      .SINGLE(READS == 1),
      .LINE_PIXELS(LINE_PIXELS)
  ) pixel_counts (
      .clock,
      .reset,
      .write_pixel,
      .end_window,
      .step,
      .room(in_ready),
      .complete,
      .turn,
      .following
  );
  pqk_counter #(
      .LENGTH(UNITS)
  ) units (
      .clock,
      .reset,
      .advance(issue),
      .count(unit),
      .last(last_unit)
  );
  pqk_counter #(
      .LENGTH(UNITS * KERNEL_COLUMNS)
  ) row_reads (
      .clock,
      .reset,
      .advance(issue),
      .count(row_read),
      .last(last_row_read)
  );
  pqk_counter #(
      .LENGTH(READS)
  ) reads (
      .clock,
      .reset,
      .advance(issue),
      .count(read),
      .last(last_read)
  );

  // Steps from tap to tap, in words and modulo SIZE: within a window, and by where the next one stands.
  function automatic int modulo(input int pixels);
    modulo = ((pixels * WORDS % SIZE) + SIZE) % SIZE;
  endfunction

  localparam int BACK = BACK_ROWS * WIDTH + BACK_COLUMNS;
  localparam int TO_TAP = modulo(DILATION_COLUMNS);
  localparam int TO_KERNEL_ROW = modulo(DILATION_ROWS * WIDTH - BACK_COLUMNS);
  localparam int TO_SAME = modulo(-BACK);
  localparam int TO_COLUMN = modulo(STRIDE_COLUMNS - BACK);
  localparam int TO_ROW = modulo(STRIDE_ROWS * WIDTH - ACROSS - BACK);
  localparam int TO_FRAME = modulo((HEIGHT - DOWN) * WIDTH - ACROSS - BACK);

  function automatic [ADDRESS_BITS-1:0] to_window(input int next);
    to_window = ADDRESS_BITS'(next == 0 ? TO_SAME : next == 1 ? TO_COLUMN : next == 2 ? TO_ROW : TO_FRAME);
  endfunction

  logic [ADDRESS_BITS-1:0] tap, window_step, window_wrap;
  wire [ADDRESS_BITS-1:0] distance = !last_row_read ? ADDRESS_BITS'(TO_TAP) : !last_read ? ADDRESS_BITS'(TO_KERNEL_ROW) : window_step;
  wire [ADDRESS_BITS-1:0] wrap = !last_row_read ? ADDRESS_BITS'(TO_TAP - SIZE) : !last_read ? ADDRESS_BITS'(TO_KERNEL_ROW - SIZE) : window_wrap;
  wire [ADDRESS_BITS-1:0] onward = tap + distance;
  wire [ADDRESS_BITS:0] wrapped = {1'b0, tap} + {1'b1, wrap};
  always_ff @(posedge clock) begin
    if (reset) begin
      window_step <= to_window(FIRST_FOLLOWING);
      window_wrap <= to_window(FIRST_FOLLOWING) - ADDRESS_BITS'(SIZE);
    end else if (turn) begin
      window_step <= to_window(32'(following));
      window_wrap <= to_window(32'(following)) - ADDRESS_BITS'(SIZE);
    end
    if (reset) tap <= ADDRESS_BITS'(modulo(-TOP * WIDTH - LEFT));
    else if (end_tap) tap <= wrapped[ADDRESS_BITS] ? onward : wrapped[ADDRESS_BITS-1:0];
  end

  // The channels of a tap: all, or those of a group, which begin where those of the group before end.
  wire [WORD_BITS-1:0] word;
  wire [PART_BITS-1:0] part;
  generate
    if (GROUPS == 1) begin : g_all
      wire last_part, last_word;
      pqk_counter #(
          .LENGTH(PARTS)
      ) parts (
          .clock,
          .reset,
          .advance(issue),
          .count(part),
          .last(last_part)
      );
      pqk_counter #(
          .LENGTH(WORDS)
      ) words (
          .clock,
          .reset,
          .advance(issue && last_part),
          .count(word),
          .last(last_word)
      );
      wire unused_word = last_word;
    end else begin : g_group
      localparam int REPEAT_BITS = REPEAT > 1 ? $clog2(REPEAT) : 1;
      logic [PART_BITS-1:0] at_part, first_part;
      logic [WORD_BITS-1:0] at_word, first_word;
      // A group began: its first word, at which the reading stands, is kept a cycle later, which is soon enough unless it is the
      // only word of its pixel.
      logic began;
      wire [PART_BITS-1:0] back_part = UNITS == 1 && began ? at_part : first_part;
      wire [WORD_BITS-1:0] back_word = UNITS == 1 && began ? at_word : first_word;
      wire [REPEAT_BITS-1:0] repetition;
      wire last_repetition;
      pqk_counter #(
          .LENGTH(REPEAT)
      ) repetitions (
          .clock,
          .reset,
          .advance(end_window),
          .count(repetition),
          .last(last_repetition)
      );
      wire last_part = at_part == PART_BITS'(PARTS - 1);
      wire [PART_BITS-1:0] part_next = last_part ? 0 : at_part + 1;
      wire [WORD_BITS-1:0] word_next = !last_part ? at_word : at_word == WORD_BITS'(WORDS - 1) ? 0 : at_word + 1;
      wire return_to_first = last_unit && !(last_read && last_repetition);
      always_ff @(posedge clock) begin
        began <= end_window && last_repetition && !reset;
        if (reset) {at_part, at_word} <= 0;
        else if (issue) begin
          at_part <= return_to_first ? back_part : part_next;
          at_word <= return_to_first ? back_word : word_next;
        end
        if (reset) {first_part, first_word} <= 0;
        else if (began) {first_part, first_word} <= {at_part, at_word};
      end
      assign part = at_part;
      assign word = at_word;
      wire unused_repetition = &repetition;
    end
  endgenerate

  function automatic int place_bits(input int padding, input int size, input int reach);
    place_bits = $clog2(padding + size > reach + 1 ? padding + size : reach + 2);
  endfunction

  // Coordinates count up from the padding; those of the padding before the image are large numbers.
  wire inside_frame;
  localparam int Y_BITS = place_bits(TOP, HEIGHT, DOWN + BACK_ROWS);
  localparam int X_BITS = place_bits(LEFT, WIDTH, ACROSS + BACK_COLUMNS);
  generate
    if (TOP > 0 || LEFT > 0 || DOWN + BACK_ROWS >= HEIGHT || ACROSS + BACK_COLUMNS >= WIDTH) begin : g_border
      function automatic [Y_BITS-1:0] y_to_window(input int next);
        y_to_window = Y_BITS'(next < 2 ? -BACK_ROWS : next == 2 ? STRIDE_ROWS - BACK_ROWS : -DOWN - BACK_ROWS);
      endfunction

      function automatic [X_BITS-1:0] x_to_window(input int next);
        x_to_window = X_BITS'(next == 0 ? -BACK_COLUMNS : next == 1 ? STRIDE_COLUMNS - BACK_COLUMNS : -ACROSS - BACK_COLUMNS);
      endfunction

      logic [Y_BITS-1:0] y, y_step;
      logic [X_BITS-1:0] x, x_step;
      always_ff @(posedge clock) begin
        if (reset) begin
          y <= Y_BITS'(-TOP);
          x <= X_BITS'(-LEFT);
          y_step <= y_to_window(FIRST_FOLLOWING);
          x_step <= x_to_window(FIRST_FOLLOWING);
        end else begin
          if (end_tap) x <= x + (!last_row_read ? X_BITS'(DILATION_COLUMNS) : !last_read ? X_BITS'(-BACK_COLUMNS) : x_step);
          if (issue && last_row_read) y <= y + (last_read ? y_step : Y_BITS'(DILATION_ROWS));
          if (turn) y_step <= y_to_window(32'(following));
          if (turn) x_step <= x_to_window(32'(following));
        end
      end
      assign inside_frame = {1'b0, y} < (Y_BITS + 1)'(HEIGHT) && {1'b0, x} < (X_BITS + 1)'(WIDTH);
    end else begin : g_no_border
      assign inside_frame = 1;
    end
  endgenerate

  // ---- stages: the address, the word of the memory, its lanes ------------------------------------------------------------------
  logic [ADDRESS_BITS-1:0] address;
  logic [LANES_IN*BITS-1:0] read_data;
  logic [1:0] inside_read;  // beside the address, and beside the word
  logic [2*PART_BITS-1:0] part_read;
  always_ff @(posedge clock) begin
    if (reset) valid <= 0;
    else if (step) valid <= {valid[STAGES-2:0], complete};
    if (step) begin
      address <= tap + ADDRESS_BITS'(word);
      read_data <= memory[address];
      inside_read <= {inside_read[0], inside_frame};
      part_read <= {part_read[PART_BITS-1:0], part};
    end
  end
  wire [LANES_OUT*BITS-1:0] lanes = inside_read[1] ? read_data[part_read[PART_BITS+:PART_BITS]*LANES_OUT*BITS+:LANES_OUT*BITS] : {LANES_OUT{FILL}};
  assign out_valid = valid[STAGES-1];
  generate
    if (STAGES > 2) begin : g_held
      logic [LANES_OUT*BITS-1:0] held;
      always_ff @(posedge clock) if (step) held <= lanes;
      assign out_data = held;
    end else begin : g_read
      assign out_data = lanes;
    end
  endgenerate

  if (LANES_IN % LANES_OUT != 0 || CHANNELS % LANES_IN != 0 || CHANNELS % (GROUPS * LANES_OUT) != 0) begin : g_illegal
    $error("lanes that divide each other and the channels of a group were expected");
  end
  if (STAGES < 2 || STAGES > 3) begin : g_illegal_stages
    $error("two or three stages were expected: STAGES");
  end
endmodule
`default_nettype wire
