// Nearest-neighbour resizing: rows and columns that come several times, or never. A word that comes again is read from a
// memory of the row, or of the pixel where columns alone come again.
`default_nettype none
module pqk_resize #(
    parameter int BITS = 4,  // of a word
    parameter int HEIGHT = 4,
    parameter int WIDTH = 4,
    parameter int WORDS = 1,  // of a pixel
    parameter bit LINE = 1,  // rows come again
    parameter int ROW_TIMES = 2,  // how often each row comes; 0: the file says it of each, in ROW_BITS bits
    parameter int ROW_BITS = 2,
    parameter ROW_FILE = "",
    parameter int COLUMN_TIMES = 2,
    parameter int COLUMN_BITS = 2,
    parameter COLUMN_FILE = ""
) (
    input  wire             clock,
    input  wire             reset,
    input  wire             in_valid,
    output logic            in_ready,
    input  wire  [BITS-1:0] in_data,
    output logic            out_valid,
    input  wire             out_ready,
    output logic [BITS-1:0] out_data
);
  localparam int WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int SIZE = LINE ? WIDTH * WORDS : WORDS;
  localparam int ADDRESS_BITS = SIZE > 1 ? $clog2(SIZE) : 1;

  logic [BITS-1:0] memory[SIZE];
  logic [ADDRESS_BITS-1:0] address;
  logic [WORD_BITS-1:0] word;
  wire first_row, first_column, kept_row, kept_column, end_pixel, end_row, end_line, end_frame;
  wire first = first_row && first_column;
  wire step = (out_ready || !out_valid) && (!first || in_valid);
  wire end_pass = step && word == WORD_BITS'(WORDS - 1);
  assign in_ready = (out_ready || !out_valid) && first;

  pqk_resize_axis #(
      .LENGTH(WIDTH),
      .TIMES(COLUMN_TIMES),
      .TIMES_BITS(COLUMN_BITS),
      .FILE(COLUMN_FILE)
  ) columns (
      .clock,
      .reset,
      .advance(end_pass),
      .once(!kept_row),
      .first(first_column),
      .kept(kept_column),
      .moves(end_pixel),
      .wraps(end_row)
  );
  pqk_resize_axis #(
      .LENGTH(HEIGHT),
      .TIMES(ROW_TIMES),
      .TIMES_BITS(ROW_BITS),
      .FILE(ROW_FILE)
  ) rows (
      .clock,
      .reset,
      .advance(end_row),
      .once(1'b0),
      .first(first_row),
      .kept(kept_row),
      .moves(end_line),
      .wraps(end_frame)
  );
  wire unused = end_line || end_frame;

  logic [BITS-1:0] fresh, again;
  logic is_fresh;
  always_ff @(posedge clock) begin
    if (step) begin
      if (first) memory[address] <= in_data;
      again <= memory[address];
      fresh <= in_data;
      is_fresh <= first;
    end
  end
  always_ff @(posedge clock) begin
    if (reset) begin
      word <= 0;
      address <= 0;
      out_valid <= 0;
    end else begin
      if (out_ready || !out_valid) out_valid <= step && kept_row && kept_column;
      if (step) word <= end_pass ? 0 : word + 1;
      // Back to the first word of the row, or of the pixel.
      if (end_row) address <= 0;
      else if (end_pass && !(LINE && end_pixel)) address <= address - ADDRESS_BITS'(WORDS - 1);
      else if (step) address <= address + 1;
    end
  end
  assign out_data = is_fresh ? fresh : again;

  if (WORDS < 1) begin : g_illegal
    $error("a word at least was expected: WORDS");
  end
endmodule
`default_nettype wire
