// Pairs of pixels: beside each pixel of a row stands the one that is SPAN columns further on, code by code, the earlier one in
// the lower bits. Of a row COLUMNS pairs leave, from that of the first pixel on.
`default_nettype none
module pqk_pixel_pairs #(
    parameter int BITS = 4,
    parameter int LANES = 1,
    parameter int WIDTH = 4,  // columns that come
    parameter int WORDS = 1,  // of a pixel
    parameter int SPAN = 1,
    parameter int COLUMNS = 3
) (
    input  wire                     clock,
    input  wire                     reset,
    input  wire                     in_valid,
    output logic                    in_ready,
    input  wire  [  LANES*BITS-1:0] in_data,
    output logic                    out_valid,
    input  wire                     out_ready,
    output logic [2*LANES*BITS-1:0] out_data
);
  localparam int COLUMN_BITS = WIDTH > 1 ? $clog2(WIDTH) : 1;
  localparam int WORD = LANES * BITS;
  logic [SPAN*WORDS*WORD-1:0] line;  // the words before, the oldest in the lowest bits
  wire [(SPAN*WORDS+1)*WORD-1:0] shifted = {in_data, line};
  wire take = in_valid && in_ready;
  wire word_ends, row_ends;
  wire end_pixel = take && word_ends;
  wire [(WORDS > 1 ? $clog2(WORDS) : 1)-1:0] word;
  wire [COLUMN_BITS-1:0] column;
  logic paired;  // the column has one a span before it, and a pair of it leaves

  pqk_counter #(.LENGTH(WORDS)) words (.clock, .reset, .advance(take), .count(word), .last(word_ends));
  pqk_counter #(.LENGTH(WIDTH)) columns (.clock, .reset, .advance(end_pixel), .count(column), .last(row_ends));

  always_ff @(posedge clock) begin
    if (reset) paired <= 0;
    else if (end_pixel) begin
      if (column == COLUMN_BITS'(SPAN - 1)) paired <= 1;
      else if (column == COLUMN_BITS'(SPAN + COLUMNS - 1)) paired <= 0;
    end
  end
  always_ff @(posedge clock) if (take) line <= shifted[(SPAN*WORDS+1)*WORD-1:WORD];
  assign in_ready  = !paired || out_ready;
  assign out_valid = paired && in_valid;
  for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
    assign out_data[2*lane*BITS+:2*BITS] = {in_data[lane*BITS+:BITS], line[lane*BITS+:BITS]};
  end
  wire unused = &{shifted, word, row_ends};

  if (SPAN < 1 || COLUMNS < 1 || SPAN + COLUMNS > WIDTH) begin : g_illegal
    $error("pairs inside a row were expected: SPAN, COLUMNS, WIDTH");
  end
endmodule
`default_nettype wire
