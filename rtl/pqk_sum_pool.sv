// Exact sum of each channel over POSITIONS pixels.
`default_nettype none
module pqk_sum_pool #(
    parameter int BITS = 4,
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter INTEGERS = "",
    parameter int MIRROR = 0,  // as in `pqk_decode_pipeline`
    parameter int DECODE_STAGES = 0,
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
  wire step, begins;
  wire [LANES*SUM_BITS-1:0] known, sums;

  pqk_pool_control #(
      .BITS(LANES * SUM_BITS),
      .POSITIONS(POSITIONS),
      .DEPTH(DEPTH),
      .STAGES(DECODE_STAGES + 1)
  ) control (
      .clock,
      .reset,
      .in_valid,
      .in_ready,
      .out_valid,
      .out_ready,
      .out_data,
      .step,
      .begins,
      .known,
      .result(sums)
  );

  generate
    for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
      wire  [SUM_BITS-1:0] decoded;
      logic [SUM_BITS-1:0] x;
      pqk_decode_pipeline #(
          .BITS(BITS),
          .WIDTH(SUM_BITS),
          .SIGNED(SIGNED),
          .ZERO_POINT(ZERO_POINT),
          .TABLE(TABLE),
          .FILE(INTEGERS),
          .MIRROR(MIRROR),
          .STAGES(DECODE_STAGES)
      ) decoder (
          .clock,
          .enable(step),
          .code(in_data[lane*BITS+:BITS]),
          .integer_value(decoded)
      );
      always_ff @(posedge clock) if (step) x <= decoded;
      assign sums[lane*SUM_BITS+:SUM_BITS] = (begins ? 0 : known[lane*SUM_BITS+:SUM_BITS]) + x;
    end
  endgenerate
endmodule
`default_nettype wire
