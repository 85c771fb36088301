// Integers times a factor of their pixel, exact: a word of the memory is the factor of one pixel.
`default_nettype none
module pqk_pixel_scale #(
    parameter int BITS_IN = 8,
    parameter int WIDTH = 9,  // of the signed integers
    parameter int BITS_OUT = 12,  // hold every product
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter INTEGERS = "",
    parameter int MIRROR = 0,  // as in `pqk_decode_pipeline`
    parameter int DECODE_STAGES = 0,
    parameter int FACTOR_BITS = 4,  // of the unsigned factors
    parameter int MULTIPLY_STAGES = 0,  // registers inside the multiplier; there is one behind it
    parameter int LANES = 1,
    parameter int DEPTH = 1,  // words of a pixel
    parameter int PIXELS = 1,
    parameter FACTORS = "",
    parameter bit [FACTOR_BITS-1:0] FACTOR = 0  // the factor if PIXELS is 1
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
  if (DEPTH < 1 || PIXELS < 1) begin : g_illegal
    $error("a word at least was expected: DEPTH, PIXELS");
  end

  localparam int WORD_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int PIXEL_BITS = PIXELS > 1 ? $clog2(PIXELS) : 1;
  localparam int STAGES = DECODE_STAGES + MULTIPLY_STAGES + 2;  // with the integers beside their factor, and the products

  logic [STAGES-1:0] valid;
  wire [STAGES:0] moving = {valid, in_valid};
  wire [PIXEL_BITS-1:0] pixel;
  wire last_word, last_pixel;
  wire step = out_ready || !valid[STAGES-1];
  wire decoding = step && moving[DECODE_STAGES];
  assign in_ready  = step;
  assign out_valid = valid[STAGES-1];
  always_ff @(posedge clock) begin
    if (reset) valid <= 0;
    else if (step) valid <= moving[STAGES-1:0];
  end
  wire [WORD_BITS-1:0] word;
  pqk_counter #(
      .LENGTH(DEPTH)
  ) words (
      .clock,
      .reset,
      .advance(decoding),
      .count(word),
      .last(last_word)
  );
  pqk_counter #(
      .LENGTH(PIXELS)
  ) pixels (
      .clock,
      .reset,
      .advance(decoding && last_word),
      .count(pixel),
      .last(last_pixel)
  );
  wire unused = &{word, last_pixel, moving};

  wire [FACTOR_BITS-1:0] factor;
  pqk_rom #(
      .WIDTH(FACTOR_BITS),
      .DEPTH(PIXELS),
      .FILE (FACTORS),
      .VALUE(FACTOR)
  ) factor_rom (
      .clock,
      .enable (step),
      .address(pixel),
      .data   (factor)
  );

  generate
    for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
      wire  [WIDTH-1:0] decoded;
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
      logic [WIDTH-1:0] x;
      wire  [BITS_OUT-1:0] product;
      pqk_product_integer #(
          .A(WIDTH),
          .B(FACTOR_BITS + 1),
          .W(BITS_OUT),
          .STAGES(MULTIPLY_STAGES)
      ) multiply (
          .clock,
          .enable(step),
          .a(x),
          .b({1'b0, factor}),
          .p(product)
      );
      always_ff @(posedge clock) begin
        if (step) begin
          x <= decoded;
          out_data[lane*BITS_OUT+:BITS_OUT] <= product;
        end
      end
    end
  endgenerate
endmodule
`default_nettype wire
