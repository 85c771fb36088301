// Exact sum of each channel over POSITIONS pixels.
`default_nettype none
module pqk_sum_pool #(
    parameter int BITS = 4,
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter INTEGERS = "",
    parameter int SUM_BITS = 8,
    parameter int LANES = 1,
    parameter int POSITIONS = 4,
    parameter int DEPTH = 1  // words of a pixel
) (
    input  wire                       clock,
    input  wire                       reset,
    input  wire                       in_valid,
    output logic                      in_ready,
    input  wire  [    LANES*BITS-1:0] in_data,
    output logic                      out_valid,
    input  wire                       out_ready,
    output logic [LANES*SUM_BITS-1:0] out_data
);
  wire first;
  wire [LANES*BITS-1:0] codes;
  wire [LANES*SUM_BITS-1:0] known, sums;

  pqk_pool_control #(
      .IN_BITS(LANES * BITS),
      .OUT_BITS(LANES * SUM_BITS),
      .POSITIONS(POSITIONS),
      .DEPTH(DEPTH)
  ) control (
      .clock,
      .reset,
      .in_valid,
      .in_ready,
      .in_data,
      .out_valid,
      .out_ready,
      .out_data,
      .word(codes),
      .known,
      .first,
      .result(sums)
  );

  generate
    for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
      wire [SUM_BITS-1:0] x;
      pqk_decode #(
          .BITS(BITS),
          .WIDTH(SUM_BITS),
          .SIGNED(SIGNED),
          .ZERO_POINT(ZERO_POINT),
          .TABLE(TABLE),
          .FILE(INTEGERS)
      ) decoder (
          .code(codes[lane*BITS+:BITS]),
          .integer_value(x)
      );
      assign sums[lane*SUM_BITS+:SUM_BITS] = x + (first ? 0 : known[lane*SUM_BITS+:SUM_BITS]);
    end
  endgenerate
endmodule
`default_nettype wire
