// The integers of a word of codes, each times a constant of its channel, DECODE_STAGES + READ_STAGES + MULTIPLY_STAGES steps later.
`default_nettype none
module pqk_scaled_integers #(
    parameter int LANES = 1,
    parameter int BITS = 4,
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter INTEGERS = "",
    parameter int MIRROR = 0,  // as in `pqk_decode_pipeline`
    parameter int DECODE_STAGES = 0,
    parameter int PRODUCT_BITS = 10,  // hold the integer, the constant and the product
    parameter int DEPTH = 1,  // words of constants: those of a pixel, or 1 if they are all alike
    parameter int REPEAT = 1,  // how often a pass reads them
    parameter int PASSES = 1,  // with constants of their own
    parameter FACTORS = "",
    parameter bit [LANES*PRODUCT_BITS-1:0] FACTOR = 0,  // the word if it is the only one
    parameter int FACTOR_BITS = PRODUCT_BITS,  // of the signed constants
    parameter int READ_STAGES = 2,  // from a word to its constants
    parameter int MULTIPLY_STAGES = 1  // registers of the multiplier, the last behind it
) (
    input  wire                           clock,
    input  wire                           reset,
    input  wire                           step,
    input  wire                           valid,  // of the integers, where they are decoded
    input  wire  [        LANES*BITS-1:0] data,
    output logic [LANES*PRODUCT_BITS-1:0] products
);
  localparam int WORD_BITS = DEPTH * PASSES > 1 ? $clog2(DEPTH * PASSES) : 1;

  wire [WORD_BITS-1:0] word;
  wire last_word;
  pqk_pass_address #(
      .LENGTH(DEPTH),
      .REPEAT(REPEAT),
      .PASSES(PASSES)
  ) words (
      .clock,
      .reset,
      .advance(step && valid),
      .address(word),
      .last(last_word)
  );

  wire [LANES*PRODUCT_BITS-1:0] factors;
  wire unused = &{last_word, factors};
  pqk_rom #(
      .WIDTH(LANES * PRODUCT_BITS),
      .DEPTH(DEPTH * PASSES),
      .FILE(FACTORS),
      .VALUE(FACTOR),
      .STAGES(READ_STAGES)
  ) factor_rom (
      .clock,
      .enable (step),
      .address(word),
      .data   (factors)
  );

  generate
    for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
      wire [PRODUCT_BITS-1:0] decoded;
      wire [PRODUCT_BITS-1:0] x, product;
      pqk_decode_pipeline #(
          .BITS(BITS),
          .WIDTH(PRODUCT_BITS),
          .SIGNED(SIGNED),
          .ZERO_POINT(ZERO_POINT),
          .TABLE(TABLE),
          .FILE(INTEGERS),
          .MIRROR(MIRROR),
          .STAGES(DECODE_STAGES)
      ) decoder (
          .clock,
          .enable(step),
          .code(data[lane*BITS+:BITS]),
          .integer_value(decoded)
      );
      pqk_delay #(
          .WIDTH (PRODUCT_BITS),
          .STAGES(READ_STAGES)
      ) read (
          .clock,
          .enable(step),
          .d(decoded),
          .q(x)
      );
      pqk_product_integer #(
          .A(PRODUCT_BITS),
          .B(FACTOR_BITS),
          .W(PRODUCT_BITS),
          .STAGES(MULTIPLY_STAGES > 0 ? MULTIPLY_STAGES - 1 : 0)
      ) multiply (
          .clock,
          .enable(step),
          .a(x),
          .b(factors[lane*PRODUCT_BITS+:FACTOR_BITS]),
          .p(product)
      );
      pqk_delay #(
          .WIDTH (PRODUCT_BITS),
          .STAGES(MULTIPLY_STAGES > 0 ? 1 : 0)
      ) behind (
          .clock,
          .enable(step),
          .d(product),
          .q(products[lane*PRODUCT_BITS+:PRODUCT_BITS])
      );
    end
  endgenerate

  if (LANES < 1 || DEPTH < 1) begin : g_illegal
    $error("a word at least was expected: LANES, DEPTH");
  end
endmodule
`default_nettype wire
