// Look-up: the code of the result for every code, from one table for all channels or one each.
//
// The tables of lane l stand in the file CODES_<lll>.hex, one code a line, by pass, word of the pixel (if ROWS is not 1) and code.
`default_nettype none
module pqk_lookup #(
    parameter int BITS_IN = 8,
    parameter int BITS_OUT = 8,
    parameter int LANES = 1,
    parameter int ROWS = 1,  // words of a pixel, if each has tables of its own
    parameter int REPEAT = 1,  // how often a pass goes through these
    parameter int PASSES = 1,  // with tables of their own
    parameter CODES = ""
) (
    input  wire                       clock,
    input  wire                       reset,
    input  wire                       in_valid,
    output logic                      in_ready,
    input  wire  [ LANES*BITS_IN-1:0] in_data,
    output logic                      out_valid,
    input  wire                       out_ready,
    output logic [LANES*BITS_OUT-1:0] out_data
);
  localparam int WORD_BITS = ROWS * PASSES > 1 ? $clog2(ROWS * PASSES) : 1;
  localparam int ENTRIES = ROWS * PASSES << BITS_IN;
  localparam int ADDRESS_BITS = $clog2(ENTRIES);

  wire step = out_ready || !out_valid;
  assign in_ready = step;
  localparam int ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1;
  logic [ROW_BITS-1:0] row;
  wire [WORD_BITS-1:0] word;
  always_ff @(posedge clock) begin
    if (reset) out_valid <= 0;
    else if (step) out_valid <= in_valid;
    if (reset) row <= 0;
    else if (step && in_valid) row <= row == ROW_BITS'(ROWS - 1) ? 0 : row + 1;
  end
  if (PASSES > 1) begin : g_passes
    wire last;
    wire unused = &{last, row};
    pqk_pass_address #(
        .LENGTH(ROWS),
        .REPEAT(REPEAT),
        .PASSES(PASSES)
    ) words (
        .clock,
        .reset,
        .advance(step && in_valid),
        .address(word),
        .last
    );
  end else begin : g_once
    assign word = row;
  end

  generate
    for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
      localparam bit [7:0] TENS = 8'd48 + 8'(lane / 10 % 10), ONES = 8'd48 + 8'(lane % 10), HUNDREDS = 8'd48 + 8'(lane / 100);
      logic [BITS_OUT-1:0] codes[ENTRIES];
      logic [BITS_OUT-1:0] result;
      initial $readmemh({CODES, "_", HUNDREDS, TENS, ONES, ".hex"}, codes);
      wire [ADDRESS_BITS-1:0] address = ADDRESS_BITS'({word, in_data[lane*BITS_IN+:BITS_IN]});
      always_ff @(posedge clock) if (step) result <= codes[address];
      assign out_data[lane*BITS_OUT+:BITS_OUT] = result;
    end
  endgenerate

  if (LANES < 1 || ROWS < 1) begin : g_illegal
    $error("a lane and a row at least were expected: LANES, ROWS");
  end
endmodule
`default_nettype wire
