// Integers times a factor of their pixel, exact: a word of the memory is the factor of one pixel.
`default_nettype none
module pqk_pixel_scale #(
    parameter int BITS_IN = 8,
    parameter int BITS_OUT = 12,  // hold every product
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter INTEGERS = "",
    parameter int FACTOR_BITS = 4,
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

  logic [1:0] valid;
  logic [WORD_BITS-1:0] word;
  logic [PIXEL_BITS-1:0] pixel;
  wire step = out_ready || !valid[1];
  wire last_word = word == WORD_BITS'(DEPTH - 1);
  assign in_ready  = step;
  assign out_valid = valid[1];
  always_ff @(posedge clock) begin
    if (reset) begin
      valid <= 0;
      word  <= 0;
      pixel <= 0;
    end else if (step) begin
      valid <= {valid[0], in_valid};
      if (in_valid) word <= last_word ? 0 : word + 1;
      if (in_valid && last_word) pixel <= pixel == PIXEL_BITS'(PIXELS - 1) ? 0 : pixel + 1;
    end
  end

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
      wire [BITS_OUT-1:0] decoded;
      pqk_decode #(
          .BITS(BITS_IN),
          .WIDTH(BITS_OUT),
          .SIGNED(SIGNED),
          .ZERO_POINT(ZERO_POINT),
          .TABLE(TABLE),
          .FILE(INTEGERS)
      ) decoder (
          .code(in_data[lane*BITS_IN+:BITS_IN]),
          .integer_value(decoded)
      );
      // The low bits of a product are those of its operands, whatever their signs.
      logic [BITS_OUT-1:0] x;
      always_ff @(posedge clock) begin
        if (step) begin
          x <= decoded;
          out_data[lane*BITS_OUT+:BITS_OUT] <= x * BITS_OUT'(factor);
        end
      end
    end
  endgenerate
endmodule
`default_nettype wire
