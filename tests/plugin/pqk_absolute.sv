// Absolute value of every channel times a constant.
`default_nettype none
module pqk_absolute #(
    parameter int BITS_IN = 4,
    parameter int BITS_OUT = 8,
    parameter int LANES = 1,
    parameter int DEPTH = 1,  // words of a pixel
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter INTEGERS = "",
    parameter WEIGHTS = ""
) (
    input  wire                      clock,
    input  wire                      reset,
    input  wire                      in_valid,
    output wire                      in_ready,
    input  wire [ LANES*BITS_IN-1:0] in_data,
    output reg                       out_valid,
    input  wire                      out_ready,
    output reg  [LANES*BITS_OUT-1:0] out_data
);
  localparam int ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  reg [LANES*BITS_OUT-1:0] memory[DEPTH];
  localparam int WIDTH = BITS_OUT + 1;  // signed
  reg [WIDTH-1:0] integers[2**BITS_IN];
  initial $readmemh(WEIGHTS, memory);
  if (TABLE) begin : g_integers
    initial $readmemh(INTEGERS, integers);
  end else begin : g_decoded
    initial begin
      for (int code = 0; code < 2 ** BITS_IN; code++) begin
        integers[code] = WIDTH'(code - ZERO_POINT - (SIGNED && code >= 2 ** (BITS_IN - 1) ? 2 ** BITS_IN : 0));
      end
    end
  end

  reg [ADDRESS_BITS-1:0] address;
  reg [LANES*BITS_OUT-1:0] weights;
  reg [LANES*BITS_IN-1:0] word;
  reg valid;
  wire step = out_ready || !out_valid;
  assign in_ready = step;
  always_ff @(posedge clock) begin
    if (reset) begin
      address <= 0;
      valid <= 0;
      out_valid <= 0;
    end else if (step) begin
      if (in_valid) address <= address == ADDRESS_BITS'(DEPTH - 1) ? 0 : address + 1;
      valid <= in_valid;
      out_valid <= valid;
    end
    if (step) begin
      word <= in_data;
      weights <= memory[address];
    end
  end
  for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
    wire [WIDTH-1:0] x = integers[word[lane*BITS_IN+:BITS_IN]];
    wire [WIDTH-1:0] magnitude = x[WIDTH-1] ? -x : x;
    wire unused = magnitude[WIDTH-1];
    always_ff @(posedge clock) begin
      if (step) out_data[lane*BITS_OUT+:BITS_OUT] <= magnitude[BITS_OUT-1:0] * weights[lane*BITS_OUT+:BITS_OUT];
    end
  end
endmodule
`default_nettype wire
