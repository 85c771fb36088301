// The integers of a word of codes, each times a constant of its channel; one register between codes and products.
`default_nettype none
module pqk_scaled_integers #(
    parameter int LANES = 1,
    parameter int BITS = 4,
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter INTEGERS = "",
    parameter int PRODUCT_BITS = 10,  // hold the integer, the constant and the product
    parameter int DEPTH = 1,  // words of constants: those of a pixel, or 1 if they are all alike
    parameter FACTORS = "",
    parameter bit [LANES*PRODUCT_BITS-1:0] FACTOR = 0  // the word if DEPTH is 1
) (
    input  wire                           clock,
    input  wire                           reset,
    input  wire                           step,
    input  wire                           valid,
    input  wire  [        LANES*BITS-1:0] data,
    output logic [LANES*PRODUCT_BITS-1:0] products
);
  localparam int WORD_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;

  logic [WORD_BITS-1:0] word;
  always_ff @(posedge clock) begin
    if (reset) word <= 0;
    else if (step && valid) word <= word == WORD_BITS'(DEPTH - 1) ? 0 : word + 1;
  end

  wire [LANES*PRODUCT_BITS-1:0] factors;
  pqk_rom #(
      .WIDTH(LANES * PRODUCT_BITS),
      .DEPTH(DEPTH),
      .FILE (FACTORS),
      .VALUE(FACTOR)
  ) factor_rom (
      .clock,
      .enable (step),
      .address(word),
      .data   (factors)
  );

  generate
    for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
      wire [PRODUCT_BITS-1:0] decoded;
      logic signed [PRODUCT_BITS-1:0] x;
      pqk_decode #(
          .BITS(BITS),
          .WIDTH(PRODUCT_BITS),
          .SIGNED(SIGNED),
          .ZERO_POINT(ZERO_POINT),
          .TABLE(TABLE),
          .FILE(INTEGERS)
      ) decoder (
          .code(data[lane*BITS+:BITS]),
          .integer_value(decoded)
      );
      always_ff @(posedge clock) if (step) x <= decoded;
      wire signed [PRODUCT_BITS-1:0] factor = factors[lane*PRODUCT_BITS+:PRODUCT_BITS];
      assign products[lane*PRODUCT_BITS+:PRODUCT_BITS] = x * factor;
    end
  endgenerate

  if (LANES < 1 || DEPTH < 1) begin : g_illegal
    $error("a word at least was expected: LANES, DEPTH");
  end
endmodule
`default_nettype wire
