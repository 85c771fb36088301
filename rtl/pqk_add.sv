// Residual addition: two streams, each integer times a constant of its channel, summed exactly.
`default_nettype none
module pqk_add #(
    parameter int LANES = 1,
    parameter int SUM_BITS = 10,  // hold the integers, the products and the sum
    parameter int LEFT_BITS = 4,
    parameter bit LEFT_SIGNED = 1,
    parameter int LEFT_ZERO_POINT = 0,
    parameter bit LEFT_TABLE = 0,
    parameter LEFT_INTEGERS = "",
    parameter int LEFT_MIRROR = 0,
    parameter int LEFT_DEPTH = 1,  // words of factors, read so often in a pass, with factors of its own
    parameter int LEFT_REPEAT = 1,
    parameter int LEFT_PASSES = 1,
    parameter LEFT_FACTORS = "",
    parameter bit [LANES*SUM_BITS-1:0] LEFT_FACTOR = 0,  // the word if it is the only one
    parameter int LEFT_FACTOR_BITS = SUM_BITS,  // of the signed factors
    parameter int RIGHT_BITS = 4,
    parameter bit RIGHT_SIGNED = 1,
    parameter int RIGHT_ZERO_POINT = 0,
    parameter bit RIGHT_TABLE = 0,
    parameter RIGHT_INTEGERS = "",
    parameter int RIGHT_MIRROR = 0,
    parameter int RIGHT_DEPTH = 1,
    parameter int RIGHT_REPEAT = 1,
    parameter int RIGHT_PASSES = 1,
    parameter RIGHT_FACTORS = "",
    parameter bit [LANES*SUM_BITS-1:0] RIGHT_FACTOR = 0,
    parameter int RIGHT_FACTOR_BITS = SUM_BITS,
    parameter int DECODE_STAGES = 0,  // as in `pqk_scaled_integers`
    parameter int READ_STAGES = 2,
    parameter int MULTIPLY_STAGES = 1
) (
    input  wire                         clock,
    input  wire                         reset,
    input  wire                         left_valid,
    output logic                        left_ready,
    input  wire  [ LANES*LEFT_BITS-1:0] left_data,
    input  wire                         right_valid,
    output logic                        right_ready,
    input  wire  [LANES*RIGHT_BITS-1:0] right_data,
    output logic                        out_valid,
    input  wire                         out_ready,
    output logic [  LANES*SUM_BITS-1:0] out_data
);
  localparam int STAGES = DECODE_STAGES + READ_STAGES + MULTIPLY_STAGES + 1;  // with the sum
  wire both = left_valid && right_valid;
  logic [STAGES-1:0] valid;
  wire [STAGES:0] moving = {valid, both};
  wire unused = &moving;
  wire step = out_ready || !valid[STAGES-1];
  assign left_ready  = step && both;
  assign right_ready = step && both;
  assign out_valid   = valid[STAGES-1];
  always_ff @(posedge clock) begin
    if (reset) valid <= 0;
    else if (step) valid <= moving[STAGES-1:0];
  end

  wire [LANES*SUM_BITS-1:0] left_products, right_products;
  pqk_scaled_integers #(
      .LANES(LANES),
      .BITS(LEFT_BITS),
      .SIGNED(LEFT_SIGNED),
      .ZERO_POINT(LEFT_ZERO_POINT),
      .TABLE(LEFT_TABLE),
      .INTEGERS(LEFT_INTEGERS),
      .MIRROR(LEFT_MIRROR),
      .DECODE_STAGES(DECODE_STAGES),
      .PRODUCT_BITS(SUM_BITS),
      .DEPTH(LEFT_DEPTH),
      .REPEAT(LEFT_REPEAT),
      .PASSES(LEFT_PASSES),
      .FACTORS(LEFT_FACTORS),
      .FACTOR(LEFT_FACTOR),
      .FACTOR_BITS(LEFT_FACTOR_BITS),
      .READ_STAGES(READ_STAGES),
      .MULTIPLY_STAGES(MULTIPLY_STAGES)
  ) left (
      .clock,
      .reset,
      .step,
      .valid(moving[DECODE_STAGES]),
      .data(left_data),
      .products(left_products)
  );
  pqk_scaled_integers #(
      .LANES(LANES),
      .BITS(RIGHT_BITS),
      .SIGNED(RIGHT_SIGNED),
      .ZERO_POINT(RIGHT_ZERO_POINT),
      .TABLE(RIGHT_TABLE),
      .INTEGERS(RIGHT_INTEGERS),
      .MIRROR(RIGHT_MIRROR),
      .DECODE_STAGES(DECODE_STAGES),
      .PRODUCT_BITS(SUM_BITS),
      .DEPTH(RIGHT_DEPTH),
      .REPEAT(RIGHT_REPEAT),
      .PASSES(RIGHT_PASSES),
      .FACTORS(RIGHT_FACTORS),
      .FACTOR(RIGHT_FACTOR),
      .FACTOR_BITS(RIGHT_FACTOR_BITS),
      .READ_STAGES(READ_STAGES),
      .MULTIPLY_STAGES(MULTIPLY_STAGES)
  ) right (
      .clock,
      .reset,
      .step,
      .valid(moving[DECODE_STAGES]),
      .data(right_data),
      .products(right_products)
  );

  logic [LANES*SUM_BITS-1:0] sums;
  assign out_data = sums;
  always_ff @(posedge clock) begin
    if (step) begin
      for (int lane = 0; lane < LANES; lane++) begin
        sums[lane*SUM_BITS+:SUM_BITS] <= left_products[lane*SUM_BITS+:SUM_BITS] + right_products[lane*SUM_BITS+:SUM_BITS];
      end
    end
  end
`ifdef FORMAL
  `include "proofs/pqk_add.svh"
`endif
endmodule
`default_nettype wire
