// Integers times a constant of their channel, and a constant of their own added, exactly: positions of tokens.
`default_nettype none
module pqk_pixel_offset #(
    parameter int LANES = 1,
    parameter int BITS = 4,
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter INTEGERS = "",
    parameter int MIRROR = 0,  // as in `pqk_decode_pipeline`
    parameter int SUM_BITS = 10,  // hold the integer, the constants and the sum
    parameter int FACTOR_DEPTH = 1,  // words of factors: those of a pixel, or 1 if they are all alike
    parameter FACTORS = "",
    parameter bit [LANES*SUM_BITS-1:0] FACTOR = 0,  // the word if FACTOR_DEPTH is 1
    parameter int FACTOR_BITS = SUM_BITS,  // of the signed factors
    parameter int OFFSET_BITS = SUM_BITS,  // of the signed offsets
    parameter int DEPTH = 1,  // words of offsets: those of a frame
    parameter OFFSETS = "",
    parameter bit [LANES*OFFSET_BITS-1:0] OFFSET = 0,  // the word if DEPTH is 1
    parameter int DECODE_STAGES = 0,  // as in `pqk_scaled_integers`
    parameter int READ_STAGES = 2,
    parameter int MULTIPLY_STAGES = 1
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
  localparam int STAGES = DECODE_STAGES + READ_STAGES + MULTIPLY_STAGES + 1;  // with the sum
  localparam int WORD_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;

  logic [STAGES-1:0] valid;
  wire [STAGES:0] moving = {valid, in_valid};
  wire step = out_ready || !valid[STAGES-1];
  assign in_ready  = step;
  assign out_valid = valid[STAGES-1];
  always_ff @(posedge clock) begin
    if (reset) valid <= 0;
    else if (step) valid <= moving[STAGES-1:0];
  end

  wire [LANES*SUM_BITS-1:0] products;
  pqk_scaled_integers #(
      .LANES(LANES),
      .BITS(BITS),
      .SIGNED(SIGNED),
      .ZERO_POINT(ZERO_POINT),
      .TABLE(TABLE),
      .INTEGERS(INTEGERS),
      .MIRROR(MIRROR),
      .DECODE_STAGES(DECODE_STAGES),
      .PRODUCT_BITS(SUM_BITS),
      .DEPTH(FACTOR_DEPTH),
      .FACTORS(FACTORS),
      .FACTOR(FACTOR),
      .FACTOR_BITS(FACTOR_BITS),
      .READ_STAGES(READ_STAGES),
      .MULTIPLY_STAGES(MULTIPLY_STAGES)
  ) scaled (
      .clock,
      .reset,
      .step,
      .valid(moving[DECODE_STAGES]),
      .data(in_data),
      .products
  );

  // Read as late as the products ask for, so that no offset waits in registers.
  wire [WORD_BITS-1:0] word;
  wire last_word;
  wire unused = &{last_word, moving};
  pqk_counter #(
      .LENGTH(DEPTH)
  ) words (
      .clock,
      .reset,
      .advance(step && moving[DECODE_STAGES+MULTIPLY_STAGES]),
      .count(word),
      .last(last_word)
  );
  wire [LANES*OFFSET_BITS-1:0] offsets;
  pqk_rom #(
      .WIDTH(LANES * OFFSET_BITS),
      .DEPTH(DEPTH),
      .FILE(OFFSETS),
      .VALUE(OFFSET),
      .STAGES(READ_STAGES)
  ) offset_rom (
      .clock,
      .enable (step),
      .address(word),
      .data   (offsets)
  );

  always_ff @(posedge clock) begin
    if (step) begin
      for (int lane = 0; lane < LANES; lane++) begin
        out_data[lane*SUM_BITS+:SUM_BITS] <= products[lane*SUM_BITS+:SUM_BITS] + SUM_BITS'($signed(offsets[lane*OFFSET_BITS+:OFFSET_BITS]));
      end
    end
  end

  if (OFFSET_BITS > SUM_BITS) begin : g_illegal
    $error("offsets no wider than sums were expected: OFFSET_BITS, SUM_BITS");
  end
endmodule
`default_nettype wire
