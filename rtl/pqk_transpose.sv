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
  localparam int COUNT_BITS = $clog2(BLOCK + 1);
  localparam int PLACE_BITS = BLOCK > 1 ? $clog2(BLOCK) : 1;
  localparam int ADDRESS_BITS = $clog2(2 * BLOCK);
  localparam int ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1;
  localparam int WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1;

  logic [BITS-1:0] memory[2*BLOCK];
  logic coming, leaving;  // halves of the memory
  logic [COUNT_BITS-1:0] count;  // words of the block that comes
  logic busy;  // a block is leaving
  wire step = out_ready || !out_valid;
  wire full = count == COUNT_BITS'(BLOCK);
  wire move = full && !busy && step;
  assign in_ready = !full || move;
  wire take = in_valid && in_ready;

  // Column by column: the next word, the same column of the next row, or the first row of the next column.
  logic [PLACE_BITS-1:0] place;
  logic [ROW_BITS-1:0] row;
  logic [WORD_BITS-1:0] word;
  wire into = move ? !coming : coming;
  wire from = busy ? leaving : coming;
  wire [PLACE_BITS-1:0] coming_place = move ? 0 : PLACE_BITS'(count);
  wire [ADDRESS_BITS-1:0] write_address = ADDRESS_BITS'(coming_place) + (into ? ADDRESS_BITS'(BLOCK) : 0);
  wire [ADDRESS_BITS-1:0] read_address = ADDRESS_BITS'(place) + (from ? ADDRESS_BITS'(BLOCK) : 0);
  wire end_pixel = word == WORD_BITS'(WORDS - 1);
  wire end_column = end_pixel && row == ROW_BITS'(ROWS - 1);
  wire end_block = end_column && place == PLACE_BITS'(BLOCK - 1);
  wire read = step && (busy || full);

  always_ff @(posedge clock) begin
    if (take) memory[write_address] <= in_data;
    if (read) out_data <= memory[read_address];
  end
  always_ff @(posedge clock) begin
    if (reset) begin
      coming <= 0;
      leaving <= 0;
      count <= 0;
      busy <= 0;
      out_valid <= 0;
      place <= 0;
      row <= 0;
      word <= 0;
    end else begin
      if (move) begin
        coming <= !coming;
        leaving <= coming;
      end
      if (move) count <= COUNT_BITS'(take);
      else if (take) count <= count + 1;
      if (step) out_valid <= busy || full;
      if (read) begin
        busy <= !end_block;
        word <= end_pixel ? 0 : word + 1;
        if (end_pixel) row <= end_column ? 0 : row + 1;
        if (end_block) place <= 0;
        else if (end_column) place <= place + 1 - PLACE_BITS'((ROWS - 1) * COLUMNS * WORDS);
        else if (end_pixel) place <= place + 1 + PLACE_BITS'((COLUMNS - 1) * WORDS);
        else place <= place + 1;
      end
    end
  end

  if (ROWS < 1 || COLUMNS < 1 || WORDS < 1) begin : g_illegal
    $error("a word at least was expected: ROWS, COLUMNS, WORDS");
  end
endmodule
`default_nettype wire
