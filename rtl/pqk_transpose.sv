// Rows and columns change places within blocks of ROWS x COLUMNS pixels. One block comes in while the last one leaves.
`default_nettype none
module pqk_transpose #(
    parameter int BITS = 4,  // of a word
    parameter int ROWS = 4,
    parameter int COLUMNS = 4,
    parameter int WORDS = 1  // of a pixel
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
  localparam int BLOCK = ROWS * COLUMNS * WORDS;
  localparam int ADDRESS_BITS = $clog2(2 * BLOCK);

  logic [BITS-1:0] memory[2*BLOCK];  // blocks come into its halves in turn, and leave them so
  logic full;  // a block has come that does not leave yet
  logic busy;  // a block is leaving
  logic some;  // one or the other
  wire step = out_ready || !out_valid;
  wire move = full && !busy && step;
  assign in_ready = !full || move;
  wire take = in_valid && in_ready;
  wire read = step && some;

  wire [ADDRESS_BITS-1:0] write_address;
  wire last_address;
  logic ends;  // with this word a block
  wire came = BLOCK == 1 || ends;
  pqk_counter #(
      .LENGTH(2 * BLOCK)
  ) places (
      .clock,
      .reset,
      .advance(take),
      .count(write_address),
      .last(last_address)
  );

  // Column by column: the next word, the same column of the next row, or the first row of the next column.
  localparam int WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1;
  localparam int COLUMN_BITS = COLUMNS > 1 ? $clog2(COLUMNS) : 1;
  localparam int NEXT_ROW = 1 + (COLUMNS - 1) * WORDS;
  localparam int NEXT_COLUMN = 1 - (ROWS - 1) * COLUMNS * WORDS;
  wire [WORD_BITS-1:0] word;
  wire [ROW_BITS-1:0] row;
  wire [COLUMN_BITS-1:0] column;
  wire last_word, last_row, last_column;
  pqk_counter #(.LENGTH(WORDS)) words (.clock, .reset, .advance(read), .count(word), .last(last_word));
  pqk_counter #(.LENGTH(ROWS)) rows (.clock, .reset, .advance(read && last_word), .count(row), .last(last_row));
  wire end_column = last_word && last_row;
  pqk_counter #(
      .LENGTH(COLUMNS)
  ) columns (
      .clock,
      .reset,
      .advance(read && end_column),
      .count(column),
      .last(last_column)
  );
  wire end_block = end_column && last_column;
  wire unused = &{word, row, column, last_address};
  logic [ADDRESS_BITS-1:0] read_address;
  logic second;  // half of the memory
  wire [ADDRESS_BITS-1:0] stride = !last_word || end_block ? 1
                                 : last_row ? ADDRESS_BITS'(NEXT_COLUMN) : ADDRESS_BITS'(NEXT_ROW);

  always_ff @(posedge clock) begin
    // A word that is not taken yet may be written already, which spares the way from `out_ready` to the memory: it waits for
    // the first place of a half, which is the first that was read.
    if (in_valid) memory[write_address] <= in_data;
    if (read) out_data <= memory[read_address];
  end
  always_ff @(posedge clock) begin
    if (reset) begin
      full <= 0;
      busy <= 0;
      some <= 0;
      ends <= 0;
      out_valid <= 0;
      second <= 0;
      read_address <= 0;
    end else begin
      if (take && came) full <= 1;
      else if (move) full <= 0;
      if (take) ends <= write_address == ADDRESS_BITS'(BLOCK - 2) || write_address == ADDRESS_BITS'(2 * BLOCK - 2);
      some <= (read ? !end_block : busy) || (full && !move) || (take && came);
      if (step) out_valid <= some;
      if (read) begin
        busy <= !end_block;
        second <= second ^ end_block;
        read_address <= second && end_block ? 0 : read_address + stride;
      end
    end
  end

  if (ROWS < 1 || COLUMNS < 1 || WORDS < 1) begin : g_illegal
    $error("a word at least was expected: ROWS, COLUMNS, WORDS");
  end
`ifdef FORMAL
  `include "proofs/pqk_transpose.svh"
`endif
endmodule
`default_nettype wire
