// Requantiser for wide integers: clip(half_to_even((x * multiplier + offset) / 2**SHIFT)), exact.
//
// A word of the constants holds {offset, multiplier} for each lane, PRODUCT_BITS bits each.
`default_nettype none
module pqk_rescale #(
    parameter int BITS_IN = 8,
    parameter int WIDTH = 9,  // of the integer that a code stands for
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter INTEGERS = "",
    parameter int PRODUCT_BITS = 32,  // hold multiplier, offset, product, sum, LOW and HIGH
    parameter int SHIFT = 8,
    parameter bit RELU = 0,
    parameter bit signed [PRODUCT_BITS-1:0] LOW = 0,
    parameter bit signed [PRODUCT_BITS-1:0] HIGH = 0,
    parameter int ZERO_POINT_OUT = 0,
    parameter int BITS_OUT = 12,
    parameter int LANES = 1,
    parameter int DEPTH = 1,  // words of a pixel
    parameter CONSTANTS = "",
    parameter bit [2*LANES*PRODUCT_BITS-1:0] CONSTANT = 0  // the word if DEPTH is 1
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
  localparam int WORD_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int HALF_BITS = SHIFT > 0 ? SHIFT : 1;

  logic [3:0] valid;
  logic [WORD_BITS-1:0] word;
  wire step = out_ready || !valid[3];
  assign in_ready  = step;
  assign out_valid = valid[3];
  always_ff @(posedge clock) begin
    if (reset) valid <= 0;
    else if (step) valid <= {valid[2:0], in_valid};
    if (reset) word <= 0;
    else if (step && in_valid) word <= word == WORD_BITS'(DEPTH - 1) ? 0 : word + 1;
  end

  wire [2*LANES*PRODUCT_BITS-1:0] constants;
  pqk_rom #(
      .WIDTH(2 * LANES * PRODUCT_BITS),
      .DEPTH(DEPTH),
      .FILE (CONSTANTS),
      .VALUE(CONSTANT)
  ) constant_rom (
      .clock,
      .enable (step),
      .address(word),
      .data   (constants)
  );

  generate
    for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
      wire [WIDTH-1:0] decoded;
      pqk_decode #(
          .BITS(BITS_IN),
          .WIDTH(WIDTH),
          .SIGNED(SIGNED),
          .ZERO_POINT(ZERO_POINT),
          .TABLE(TABLE),
          .FILE(INTEGERS)
      ) decoder (
          .code(in_data[lane*BITS_IN+:BITS_IN]),
          .integer_value(decoded)
      );
      logic signed [WIDTH-1:0] x;
      wire signed [PRODUCT_BITS-1:0] multiplier = constants[2*lane*PRODUCT_BITS+:PRODUCT_BITS];
      wire signed [PRODUCT_BITS-1:0] offset = constants[(2*lane+1)*PRODUCT_BITS+:PRODUCT_BITS];
      logic signed [PRODUCT_BITS-1:0] product, offset_held, scaled;
      wire signed [PRODUCT_BITS-1:0] sum = product + offset_held;
      wire signed [PRODUCT_BITS-1:0] quotient = scaled >>> SHIFT;
      wire up;
      if (SHIFT > 0) begin : g_round
        localparam bit [HALF_BITS-1:0] HALF = 1 << (HALF_BITS - 1);
        wire [HALF_BITS-1:0] rest = scaled[HALF_BITS-1:0];
        assign up = (rest[HALF_BITS-1] && (rest & ~HALF) != 0) || (rest == HALF && quotient[0]);
      end else begin : g_exact
        assign up = 0;
      end
      wire signed [PRODUCT_BITS-1:0] rounded = quotient + PRODUCT_BITS'(up);
      wire signed [PRODUCT_BITS-1:0] clipped = rounded < LOW ? LOW : rounded > HIGH ? HIGH : rounded;
      logic [BITS_OUT-1:0] result;
      always_ff @(posedge clock) begin
        if (step) begin
          x <= decoded;
          product <= PRODUCT_BITS'(x) * multiplier;
          offset_held <= offset;
          scaled <= RELU && sum < 0 ? 0 : sum;
          result <= BITS_OUT'(clipped + PRODUCT_BITS'(ZERO_POINT_OUT));
        end
      end
      assign out_data[lane*BITS_OUT+:BITS_OUT] = result;
    end
  endgenerate

  if (SHIFT < 0 || SHIFT > PRODUCT_BITS || LOW > HIGH) begin : g_illegal
    $error("a shift within PRODUCT_BITS and LOW up to HIGH were expected");
  end
endmodule
`default_nettype wire
