// Product of two streams as matrices, within groups of channels: a frame of the right stream is the weights (pqk_operand) of a
// matrix-vector unit for the windows of the left one, which has the parameters of pqk_matrix_vector and multiplies outside as it
// does. The last window of a frame makes room for another frame of the right stream.
`default_nettype none
module pqk_matrix_product #(
    parameter int LEFT_BITS = 4,
    parameter int PRODUCT_BITS = 8,
    parameter bit SIGNS = 0,
    parameter int SUM_BITS = 16,
    parameter int PE = 1,
    parameter int SIMD = 1,
    parameter int LANES = SIMD,
    parameter int FOLDS = 4,
    parameter int DEPTH = 16,
    parameter int READ_STAGES = 1,
    parameter int PRODUCT_STAGES = 1,
    parameter int WINDOWS = 4,  // of a frame
    parameter int RIGHT_BITS = 4,  // what follows as in pqk_operand
    parameter int RIGHT_LANES = 1,
    parameter int BANKS = 1,
    parameter bit ACROSS = 0,
    parameter int INNER = 4,
    parameter int PARTS = 1,
    parameter int PIXELS = 4
) (
    input  wire                                    clock,
    input  wire                                    reset,
    input  wire                                    left_valid,
    output logic                                   left_ready,
    input  wire  [            LANES*LEFT_BITS-1:0] left_data,
    input  wire                                    right_valid,
    output logic                                   right_ready,
    input  wire  [     RIGHT_LANES*RIGHT_BITS-1:0] right_data,
    output logic [            LANES*LEFT_BITS-1:0] left,
    output logic [BANKS*RIGHT_LANES*RIGHT_BITS-1:0] right,
    output logic                                   read,
    input  wire  [       PE*SIMD*PRODUCT_BITS-1:0] products,
    input  wire  [                    PE*SIMD-1:0] negate,
    output logic                                   out_valid,
    input  wire                                    out_ready,
    output logic [                PE*SUM_BITS-1:0] out_data
);
  localparam int ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int STEPS = WINDOWS * DEPTH;
  localparam int STEP_BITS = STEPS > 1 ? $clog2(STEPS) : 1;

  wire [ADDRESS_BITS-1:0] address;
  wire filled, moves, last_step, unused_exponents;
  wire [STEP_BITS-1:0] count;
  wire unused = &{count, unused_exponents};
  wire advance = moves && left_valid && filled;
  assign left_ready = moves && filled;
  pqk_counter #(.LENGTH(STEPS)) steps (.clock, .reset, .advance, .count, .last(last_step));

  pqk_operand #(
      .BITS(RIGHT_BITS),
      .LANES(RIGHT_LANES),
      .BANKS(BANKS),
      .ACROSS(ACROSS),
      .INNER(INNER),
      .PARTS(PARTS),
      .PIXELS(PIXELS),
      .READ_STAGES(READ_STAGES)
  ) operand (
      .clock,
      .reset,
      .in_valid(right_valid),
      .in_ready(right_ready),
      .in_data (right_data),
      .filled,
      .given_up(advance && last_step),
      .read,
      .address,
      .data    (right)
  );

  pqk_matrix_vector #(
      .LEFT_BITS(LEFT_BITS),
      .PRODUCT_BITS(PRODUCT_BITS),
      .SIGNS(SIGNS),
      .SUM_BITS(SUM_BITS),
      .PE(PE),
      .SIMD(SIMD),
      .LANES(LANES),
      .FOLDS(FOLDS),
      .DEPTH(DEPTH),
      .READ_STAGES(READ_STAGES),
      .PRODUCT_STAGES(PRODUCT_STAGES)
  ) unit (
      .clock,
      .reset,
      .in_valid(left_valid && filled),
      .in_ready(moves),
      .in_data(left_data),
      .left,
      .read,
      .address,
      .exponent_address(unused_exponents),
      .exponents(1'b0),
      .products,
      .negate,
      .out_valid,
      .out_ready,
      .out_data
  );

  if (DEPTH * BANKS != PIXELS * INNER * PARTS) begin : g_illegal
    $error("a memory that a frame fills was expected: DEPTH, BANKS, PIXELS, INNER, PARTS");
  end
endmodule
`default_nettype wire
