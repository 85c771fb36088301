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
  localparam int WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
  logic [WORD_BITS-1:0] word;
  localparam int WORD = LANES * BITS;
  logic [SPAN*WORDS*WORD-1:0] line;  // the words before, the oldest in the lowest bits
  wire [(SPAN*WORDS+1)*WORD-1:0] shifted = {in_data, line};
  wire take = in_valid && in_ready;
  wire end_pixel = take && word == WORD_BITS'(WORDS - 1);
  wire paired, end_row;

  pqk_slice_axis #(
      .LENGTH(WIDTH),
      .START(SPAN),
      .STEP(1),
      .SIZE(COLUMNS)
  ) columns (
      .clock,
      .reset,
      .advance(end_pixel),
      .kept(paired),
      .wraps(end_row)
  );

  always_ff @(posedge clock) begin
    if (reset) word <= 0;
    else if (take) word <= end_pixel ? 0 : word + 1;
  end
  always_ff @(posedge clock) if (take) line <= shifted[(SPAN*WORDS+1)*WORD-1:WORD];
  assign in_ready  = !paired || out_ready;
  assign out_valid = paired && in_valid;
  for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
    assign out_data[2*lane*BITS+:2*BITS] = {in_data[lane*BITS+:BITS], line[lane*BITS+:BITS]};
  end
  wire unused = end_row ^ &shifted;
endmodule
`default_nettype wire
