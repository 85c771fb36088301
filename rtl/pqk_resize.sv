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
  wire [ADDRESS_BITS-1:0] address;
  wire [WORD_BITS-1:0] word;
  wire first_row, first_column, kept_row, kept_column, last_word, last_pass, last_column, last_row_pass, last_row;
  wire first = first_row && first_column;
  wire step = (out_ready || !out_valid) && (!first || in_valid);
  wire ends_row = last_word && last_pass && last_column;
  assign in_ready = (out_ready || !out_valid) && first;

  pqk_counter #(
      .LENGTH(WORDS)
  ) words (
      .clock,
      .reset,
      .advance(step),
      .count(word),
      .last(last_word)
  );
  pqk_resize_axis #(
      .LENGTH(WIDTH),
      .TIMES(COLUMN_TIMES),
      .TIMES_BITS(COLUMN_BITS),
      .FILE(COLUMN_FILE)
  ) columns (
      .clock,
      .reset,
      .step,
      .ends(last_word),
      .once(!kept_row),
      .first(first_column),
      .kept(kept_column),
      .last_pass,
      .last_place(last_column)
  );
  pqk_resize_axis #(
      .LENGTH(HEIGHT),
      .TIMES(ROW_TIMES),
      .TIMES_BITS(ROW_BITS),
      .FILE(ROW_FILE)
  ) rows (
      .clock,
      .reset,
      .step,
      .ends(ends_row),
      .once(1'b0),
      .first(first_row),
      .kept(kept_row),
      .last_pass(last_row_pass),
      .last_place(last_row)
  );
  wire unused = last_row_pass || last_row || &word;

  generate
    if (LINE) begin : g_line
      // Back to the first word of the row, or of the pixel.
      logic [ADDRESS_BITS-1:0] place;
      wire returns = last_word && !last_pass;
      wire [ADDRESS_BITS-1:0] distance = ends_row ? ADDRESS_BITS'(1 - SIZE) : returns ? ADDRESS_BITS'(1 - WORDS) : ADDRESS_BITS'(1);
      always_ff @(posedge clock) begin
        if (reset) place <= 0;
        else if (step) place <= place + distance;
      end
      assign address = place;
    end else begin : g_pixel
      assign address = word;
      wire unused_line = last_pass || last_column;
    end
  endgenerate

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
    if (reset) out_valid <= 0;
    else if (out_ready || !out_valid) out_valid <= step && kept_row && kept_column;
  end
  assign out_data = is_fresh ? fresh : again;

  if (WORDS < 1) begin : g_illegal
    $error("a word at least was expected: WORDS");
  end
endmodule
`default_nettype wire
