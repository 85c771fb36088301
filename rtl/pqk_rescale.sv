// Requantiser for wide integers: clip(half_to_even((x * multiplier + offset) / 2**SHIFT)), exact.
//
// A word of the constants holds {offset, multiplier} for each lane, PRODUCT_BITS bits each. What is negative behind a ReLU is
// zero after rounding as before it, so the ReLU is a matter of where clipping begins.
`default_nettype none
module pqk_rescale #(
    parameter int BITS_IN = 8,
    parameter int WIDTH = 9,  // of the integer that a code stands for
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter INTEGERS = "",
    parameter int MIRROR = 0,  // as in `pqk_decode_pipeline`
    parameter int DECODE_STAGES = 0,
    parameter int PRODUCT_BITS = 32,  // hold multiplier, offset, product, sum, LOW and HIGH
    parameter int MULTIPLIER_BITS = 17,  // of the signed multipliers
    parameter int SHIFT = 8,
    parameter bit RELU = 0,
    parameter bit signed [PRODUCT_BITS-1:0] LOW = 0,
    parameter bit signed [PRODUCT_BITS-1:0] HIGH = 0,
    parameter int ZERO_POINT_OUT = 0,
    parameter int BITS_OUT = 12,
    parameter int LANES = 1,
    parameter int DEPTH = 1,  // words of a pixel
    parameter int REPEAT = 1,  // pixels of a frame, if it passes more than once
    parameter int PASSES = 1,  // with constants of their own
    parameter CONSTANTS = "",
    parameter bit [2*LANES*PRODUCT_BITS-1:0] CONSTANT = 0,  // the word if it is the only one
    parameter int READ_STAGES = 2,  // from a word to its constants
    parameter int MULTIPLY_STAGES = 8,  // registers inside the multiplier; there is one behind it
    parameter int ROUND_STAGES = 2  // behind the decision which way to round, the rounded value, and what it is compared with
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
  localparam int WORD_BITS = DEPTH * PASSES > 1 ? $clog2(DEPTH * PASSES) : 1;
  localparam int HALF_BITS = SHIFT > 0 ? SHIFT : 1;
  localparam int STAGES = DECODE_STAGES + READ_STAGES + MULTIPLY_STAGES + ROUND_STAGES + 3;  // with product, sum and result
  localparam bit signed [PRODUCT_BITS-1:0] LEAST = !RELU || LOW > 0 ? LOW : HIGH < 0 ? HIGH : 0;

  logic [STAGES-1:0] valid;
  wire [STAGES:0] moving = {valid, in_valid};
  wire [WORD_BITS-1:0] word;
  wire last_word;
  wire step = out_ready || !valid[STAGES-1];
  assign in_ready  = step;
  assign out_valid = valid[STAGES-1];
  always_ff @(posedge clock) begin
    if (reset) valid <= 0;
    else if (step) valid <= moving[STAGES-1:0];
  end
  pqk_pass_address #(
      .LENGTH(DEPTH),
      .REPEAT(REPEAT),
      .PASSES(PASSES)
  ) words (
      .clock,
      .reset,
      .advance(step && moving[DECODE_STAGES]),
      .address(word),
      .last(last_word)
  );

  wire [2*LANES*PRODUCT_BITS-1:0] constants;
  wire unused = &{last_word, constants, moving};
  pqk_rom #(
      .WIDTH(2 * LANES * PRODUCT_BITS),
      .DEPTH(DEPTH * PASSES),
      .FILE(CONSTANTS),
      .VALUE(CONSTANT),
      .STAGES(READ_STAGES)
  ) constant_rom (
      .clock,
      .enable (step),
      .address(word),
      .data   (constants)
  );

  generate
    for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
      wire [WIDTH-1:0] decoded;
      pqk_decode_pipeline #(
          .BITS(BITS_IN),
          .WIDTH(WIDTH),
          .SIGNED(SIGNED),
          .ZERO_POINT(ZERO_POINT),
          .TABLE(TABLE),
          .FILE(INTEGERS),
          .MIRROR(MIRROR),
          .STAGES(DECODE_STAGES)
      ) decoder (
          .clock,
          .enable(step),
          .code(in_data[lane*BITS_IN+:BITS_IN]),
          .integer_value(decoded)
      );
      wire [WIDTH-1:0] x;
      wire [MULTIPLIER_BITS-1:0] multiplier = constants[2*lane*PRODUCT_BITS+:MULTIPLIER_BITS];
      wire signed [PRODUCT_BITS-1:0] multiplied, offset;
      pqk_delay #(
          .WIDTH (WIDTH),
          .STAGES(READ_STAGES)
      ) read (
          .clock,
          .enable(step),
          .d(decoded),
          .q(x)
      );
      pqk_product_integer #(
          .A(WIDTH),
          .B(MULTIPLIER_BITS),
          .W(PRODUCT_BITS),
          .STAGES(MULTIPLY_STAGES)
      ) multiply (
          .clock,
          .enable(step),
          .a(x),
          .b(multiplier),
          .p(multiplied)
      );
      pqk_delay #(
          .WIDTH (PRODUCT_BITS),
          .STAGES(MULTIPLY_STAGES + 1)
      ) offsets (
          .clock,
          .enable(step),
          .d(constants[(2*lane+1)*PRODUCT_BITS+:PRODUCT_BITS]),
          .q(offset)
      );
      logic signed [PRODUCT_BITS-1:0] product, scaled;
      wire signed [PRODUCT_BITS-1:0] quotient, shifted, rounded;
      wire up, increment;
      assign shifted = scaled >>> SHIFT;
      if (SHIFT > 0) begin : g_round
        localparam bit [HALF_BITS-1:0] HALF = 1 << (HALF_BITS - 1);
        wire [HALF_BITS-1:0] rest = scaled[HALF_BITS-1:0];
        assign up = (rest[HALF_BITS-1] && (rest & ~HALF) != 0) || (rest == HALF && shifted[0]);
      end else begin : g_exact
        assign up = 0;
      end
      pqk_delay #(
          .WIDTH (PRODUCT_BITS + 1),
          .STAGES(ROUND_STAGES > 0 ? 1 : 0)
      ) decided (
          .clock,
          .enable(step),
          .d({shifted, up}),
          .q({quotient, increment})
      );
      pqk_delay #(
          .WIDTH (PRODUCT_BITS),
          .STAGES(ROUND_STAGES > 1 ? 1 : 0)
      ) incremented (
          .clock,
          .enable(step),
          .d(quotient + PRODUCT_BITS'(increment)),
          .q(rounded)
      );
      wire below, above;
      wire [BITS_OUT-1:0] whole;
      wire [BITS_OUT-1:0] low_bits = BITS_OUT'(rounded);
      pqk_delay #(
          .WIDTH (BITS_OUT + 2),
          .STAGES(ROUND_STAGES > 2 ? 1 : 0)
      ) compared (
          .clock,
          .enable(step),
          .d({rounded < LEAST, rounded > HIGH, low_bits}),
          .q({below, above, whole})
      );
      wire [BITS_OUT-1:0] clipped = below ? BITS_OUT'(LEAST) : above ? BITS_OUT'(HIGH) : whole;
      logic [BITS_OUT-1:0] result;
      always_ff @(posedge clock) begin
        if (step) begin
          product <= multiplied;
          scaled  <= product + offset;
          result  <= clipped + BITS_OUT'(ZERO_POINT_OUT);
        end
      end
      assign out_data[lane*BITS_OUT+:BITS_OUT] = result;
    end
  endgenerate

  if (SHIFT < 0 || SHIFT > PRODUCT_BITS || LOW > HIGH || ROUND_STAGES < 0 || ROUND_STAGES > 3) begin : g_illegal
    $error("a shift within PRODUCT_BITS, LOW up to HIGH and at most three ROUND_STAGES were expected");
  end
endmodule
`default_nettype wire
