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
  // Steps of the reading address, in words and modulo SIZE.
  localparam int TAP = modulo(DILATION_COLUMNS * WORDS);
  localparam int KERNEL_ROW = modulo((DILATION_ROWS * WIDTH - (KERNEL_COLUMNS - 1) * DILATION_COLUMNS) * WORDS);
  localparam int COLUMN = modulo(STRIDE_COLUMNS * WORDS);
  localparam int ROW = modulo((STRIDE_ROWS * WIDTH - (COLUMNS - 1) * STRIDE_COLUMNS) * WORDS);
  localparam int FRAME = modulo(((HEIGHT - (ROWS - 1) * STRIDE_ROWS) * WIDTH - (COLUMNS - 1) * STRIDE_COLUMNS) * WORDS);
  localparam int START = modulo(-(TOP * WIDTH + LEFT) * WORDS);
  // Coordinates are signed, and reach from the padding to the padding.
  localparam int Y_BITS = $clog2(HEIGHT + TOP + ROWS * STRIDE_ROWS + KERNEL_ROWS * DILATION_ROWS) + 1;
  localparam int X_BITS = $clog2(WIDTH + LEFT + COLUMNS * STRIDE_COLUMNS + KERNEL_COLUMNS * DILATION_COLUMNS) + 1;
  localparam int FRAME_BITS = $clog2(LINE_PIXELS / (HEIGHT * WIDTH) + 3) + 1;
  localparam int ADDRESS_BITS = SIZE > 1 ? $clog2(SIZE) : 1;
  localparam int WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int PART_BITS = PARTS > 1 ? $clog2(PARTS) : 1;
  localparam int UNIT_BITS = UNITS > 1 ? $clog2(UNITS) : 1;
  localparam int HELD_BITS = $clog2(LINE_PIXELS + 1);
  localparam int ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1;
  localparam int COLUMN_BITS = COLUMNS > 1 ? $clog2(COLUMNS) : 1;
  localparam int KERNEL_ROW_BITS = KERNEL_ROWS > 1 ? $clog2(KERNEL_ROWS) : 1;
  localparam int KERNEL_COLUMN_BITS = KERNEL_COLUMNS > 1 ? $clog2(KERNEL_COLUMNS) : 1;
  localparam int REPEAT_BITS = REPEAT > 1 ? $clog2(REPEAT) : 1;
  localparam int GROUP_BITS = GROUPS > 1 ? $clog2(GROUPS) : 1;

  function automatic int modulo(input int x);
    modulo = ((x % SIZE) + SIZE) % SIZE;
  endfunction

  function automatic [ADDRESS_BITS-1:0] plus(input [ADDRESS_BITS-1:0] address, input [ADDRESS_BITS-1:0] step);
    logic [ADDRESS_BITS:0] total, wrapped;
    total   = {1'b0, address} + {1'b0, step};
    wrapped = total - (ADDRESS_BITS + 1)'(SIZE);
    plus = wrapped[ADDRESS_BITS] ? total[ADDRESS_BITS-1:0] : wrapped[ADDRESS_BITS-1:0];
  endfunction

  // ---- writing --------------------------------------------------------------------------------------------------------
  logic [LANES_IN*BITS-1:0] memory[SIZE];
  logic [ADDRESS_BITS-1:0] write_address;
  logic [WORD_BITS-1:0] write_word;
  logic signed [Y_BITS-1:0] write_y;  // the next pixel to be complete, and its frame
  logic signed [X_BITS-1:0] write_x;
  logic [FRAME_BITS-1:0] write_frame;
  logic [HELD_BITS-1:0] held;  // complete pixels that have not been given up

  assign in_ready = held != HELD_BITS'(LINE_PIXELS);
  wire write = in_valid && in_ready;
  wire write_pixel = write && write_word == WORD_BITS'(WORDS - 1);

  always_ff @(posedge clock) if (write) memory[write_address] <= in_data;

  always_ff @(posedge clock) begin
    if (reset) begin
      write_address <= 0;
      write_word <= 0;
      write_y <= 0;
      write_x <= 0;
      write_frame <= 0;
    end else if (write) begin
      write_address <= write_address == ADDRESS_BITS'(SIZE - 1) ? 0 : write_address + 1;
      write_word <= write_pixel ? 0 : write_word + 1;
      if (write_pixel) begin
        write_x <= write_x == X_BITS'(WIDTH - 1) ? 0 : write_x + 1;
        if (write_x == X_BITS'(WIDTH - 1)) begin
          write_y <= write_y == Y_BITS'(HEIGHT - 1) ? 0 : write_y + 1;
          if (write_y == Y_BITS'(HEIGHT - 1)) write_frame <= write_frame + 1;
        end
      end
    end
  end

  // ---- reading: nested counters, from the words of a tap to the frames --------------------------------------------------
  logic [PART_BITS-1:0] part, group_part;  // the channels of a tap, and where those of the group begin
  logic [WORD_BITS-1:0] word, group_word;
  logic [UNIT_BITS-1:0] unit;
  logic [KERNEL_COLUMN_BITS-1:0] kernel_column;
  logic [KERNEL_ROW_BITS-1:0] kernel_row;
  logic [REPEAT_BITS-1:0] repetition;
  logic [GROUP_BITS-1:0] group;
  logic [COLUMN_BITS-1:0] column;
  logic [ROW_BITS-1:0] row;
  logic [FRAME_BITS-1:0] read_frame;
  logic [ADDRESS_BITS-1:0] tap, origin;  // where the pixels of the tap and of the first tap of the window are
  logic signed [Y_BITS-1:0] y, y_first;  // their coordinates
  logic signed [X_BITS-1:0] x, x_first;

  wire end_tap = unit == UNIT_BITS'(UNITS - 1);
  wire end_kernel_row = end_tap && kernel_column == KERNEL_COLUMN_BITS'(KERNEL_COLUMNS - 1);
  wire end_window = end_kernel_row && kernel_row == KERNEL_ROW_BITS'(KERNEL_ROWS - 1);
  wire end_repeat = end_window && repetition == REPEAT_BITS'(REPEAT - 1);
  wire end_pixel = end_repeat && group == GROUP_BITS'(GROUPS - 1);
  wire end_row = end_pixel && column == COLUMN_BITS'(COLUMNS - 1);
  wire end_frame = end_row && row == ROW_BITS'(ROWS - 1);

  // The window can be read once its last pixel inside the image has been written.
  wire signed [Y_BITS-1:0] y_end = y_first + Y_BITS'((KERNEL_ROWS - 1) * DILATION_ROWS);
  wire signed [X_BITS-1:0] x_end = x_first + X_BITS'((KERNEL_COLUMNS - 1) * DILATION_COLUMNS);
  wire signed [Y_BITS-1:0] y_last = y_end < 0 ? 0 : y_end >= Y_BITS'(HEIGHT) ? Y_BITS'(HEIGHT - 1) : y_end;
  wire signed [X_BITS-1:0] x_last = x_end < 0 ? 0 : x_end >= X_BITS'(WIDTH) ? X_BITS'(WIDTH - 1) : x_end;
  wire signed [FRAME_BITS-1:0] write_ahead = write_frame - read_frame;  // -1 if unneeded pixels of the last frame are to come
  wire complete = write_ahead > 0 || (write_ahead == 0 && (write_y > y_last || (write_y == y_last && write_x > x_last)));

  logic valid, inside_frame;
  logic [PART_BITS-1:0] part_read;
  wire step = out_ready || !valid;
  wire issue = step && complete;
  wire part_end = part == PART_BITS'(PARTS - 1);
  wire [PART_BITS-1:0] part_next = part_end ? 0 : part + 1;
  wire [WORD_BITS-1:0] word_next = !part_end ? word : word == WORD_BITS'(WORDS - 1) ? 0 : word + 1;
  wire [ADDRESS_BITS-1:0] origin_next = plus(
      origin, end_frame ? ADDRESS_BITS'(FRAME) : end_row ? ADDRESS_BITS'(ROW) : ADDRESS_BITS'(COLUMN)
  );
  wire signed [Y_BITS-1:0] y_next = end_frame ? Y_BITS'(-TOP) : end_row ? y_first + Y_BITS'(STRIDE_ROWS) : y_first;
  wire signed [X_BITS-1:0] x_next = end_row ? X_BITS'(-LEFT) : x_first + X_BITS'(STRIDE_COLUMNS);

  always_ff @(posedge clock) begin
    if (reset) begin
      {part, group_part, word, group_word, unit} <= 0;
      {kernel_column, kernel_row, repetition, group, column, row, read_frame} <= 0;
      tap <= ADDRESS_BITS'(START);
      origin <= ADDRESS_BITS'(START);
      y <= Y_BITS'(-TOP);
      y_first <= Y_BITS'(-TOP);
      x <= X_BITS'(-LEFT);
      x_first <= X_BITS'(-LEFT);
    end else if (issue) begin
      unit <= end_tap ? 0 : unit + 1;
      part <= end_tap && !end_repeat ? group_part : part_next;
      word <= end_tap && !end_repeat ? group_word : word_next;
      if (end_repeat) begin
        group_part <= part_next;
        group_word <= word_next;
      end
      if (end_tap) kernel_column <= end_kernel_row ? 0 : kernel_column + 1;
      if (end_kernel_row) kernel_row <= end_window ? 0 : kernel_row + 1;
      if (end_window) repetition <= end_repeat ? 0 : repetition + 1;
      if (end_repeat) group <= end_pixel ? 0 : group + 1;
      if (end_pixel) column <= end_row ? 0 : column + 1;
      if (end_row) row <= end_frame ? 0 : row + 1;
      if (end_frame) read_frame <= read_frame + 1;
      if (end_pixel) begin
        origin  <= origin_next;
        y_first <= y_next;
        x_first <= x_next;
        tap <= origin_next;
        y <= y_next;
        x <= x_next;
      end else if (end_window) begin
        tap <= origin;
        y <= y_first;
        x <= x_first;
      end else if (end_kernel_row) begin
        tap <= plus(tap, ADDRESS_BITS'(KERNEL_ROW));
        y <= y + Y_BITS'(DILATION_ROWS);
        x <= x_first;
      end else if (end_tap) begin
        tap <= plus(tap, ADDRESS_BITS'(TAP));
        x   <= x + X_BITS'(DILATION_COLUMNS);
      end
    end
  end

  logic [LANES_IN*BITS-1:0] read_data;
  wire [ADDRESS_BITS-1:0] read_address = tap + ADDRESS_BITS'(word);
  always_ff @(posedge clock) if (step) read_data <= memory[read_address];

  always_ff @(posedge clock) begin
    if (reset) valid <= 0;
    else if (step) valid <= complete;
    if (step) begin
      inside_frame <= y >= 0 && y < Y_BITS'(HEIGHT) && x >= 0 && x < X_BITS'(WIDTH);
      part_read <= part;
    end
  end
  assign out_valid = valid;
  assign out_data  = inside_frame ? read_data[part_read*LANES_OUT*BITS+:LANES_OUT*BITS] : {LANES_OUT{FILL}};

  // ---- giving up: the oldest pixel, one a cycle, once no window needs it ------------------------------------------------
  logic signed [Y_BITS-1:0] old_y;
  logic signed [X_BITS-1:0] old_x;
  logic [FRAME_BITS-1:0] old_frame;
  wire signed [FRAME_BITS-1:0] old_behind = read_frame - old_frame;  // -1 if this frame has been given up whole
  wire row_again = y_first + Y_BITS'(STRIDE_ROWS) <= 0;  // the next windows begin in the same row: the padding above is high
  wire above = old_y < y_first;
  wire to_the_left = !row_again && old_x < x_first && (old_y == y_first || (old_y == 0 && y_first < 0));
  wire give_up = held != 0 && (old_behind > 0 || (old_behind == 0 && (above || to_the_left)));

  always_ff @(posedge clock) begin
    if (reset) begin
      held  <= 0;
      old_y <= 0;
      old_x <= 0;
      old_frame <= 0;
    end else begin
      held <= held + HELD_BITS'(write_pixel) - HELD_BITS'(give_up);
      if (give_up) begin
        old_x <= old_x == X_BITS'(WIDTH - 1) ? 0 : old_x + 1;
        if (old_x == X_BITS'(WIDTH - 1)) begin
          old_y <= old_y == Y_BITS'(HEIGHT - 1) ? 0 : old_y + 1;
          if (old_y == Y_BITS'(HEIGHT - 1)) old_frame <= old_frame + 1;
        end
      end
    end
  end

  if (LANES_IN % LANES_OUT != 0 || CHANNELS % LANES_IN != 0 || CHANNELS % (GROUPS * LANES_OUT) != 0) begin : g_illegal
    $error("lanes that divide each other and the channels of a group were expected");
  end
endmodule
`default_nettype wire
