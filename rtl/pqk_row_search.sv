// Where x lies among limits that are each times `total`: the code at that place. Nothing is divided.
//
// A binary search, one bit of the place at a time: a memory of limits by the bits so far, a product, and a comparison, each with
// registers behind it. The limits of step s stand in the file LIMITS_<s>.hex, one word a line: above whether x has to pass it,
// not only to reach it.
`default_nettype none
module pqk_row_search #(
    parameter int BITS = 40,  // of the signed numbers that are compared
    parameter int TOTAL_BITS = 32,  // of the unsigned total
    parameter int LIMIT_BITS = 9,  // of the signed limits
    parameter int BITS_OUT = 4,
    parameter int STEPS = 4,
    parameter int MULTIPLY_STAGES = 0,  // registers inside each multiplier; there is one behind it
    parameter LIMITS = "",
    parameter CODES = ""  // 2**STEPS codes
) (
    input  wire                          clock,
    input  wire                          enable,
    input  wire  signed [      BITS-1:0] x,
    input  wire         [TOTAL_BITS-1:0] total,
    output logic        [  BITS_OUT-1:0] code    // STEPS * (MULTIPLY_STAGES + 3) + 1 steps later
);
  localparam int PRODUCT_BITS = LIMIT_BITS + TOTAL_BITS + 1;
  for (genvar s = 0; s < STEPS; s++) begin : g_step
    localparam bit [7:0] DIGIT = 8'd48 + 8'(s);
    wire signed [BITS-1:0] x_in, x_multiplied;
    wire [TOTAL_BITS-1:0] total_in, total_read, total_multiplied;
    wire [STEPS-1:0] passed_in, passed_multiplied;
    logic signed [BITS-1:0] x_out;
    logic [TOTAL_BITS-1:0] total_out;
    logic [STEPS-1:0] passed;  // its first bit highest
    logic [LIMIT_BITS:0] memory[2**s];
    logic [LIMIT_BITS:0] entry;
    initial $readmemh({LIMITS, "_", DIGIT, ".hex"}, memory);
    if (s == 0) begin : g_first
      assign x_in = x;
      assign total_in = total;
      assign passed_in = 0;
      always_ff @(posedge clock) if (enable) entry <= memory[0];
    end else begin : g_next
      assign x_in = g_step[s-1].x_out;
      assign total_in = g_step[s-1].total_out;
      assign passed_in = g_step[s-1].passed;
      always_ff @(posedge clock) if (enable) entry <= memory[passed_in[s-1:0]];
    end
    pqk_delay #(.WIDTH(TOTAL_BITS), .STAGES(1)) read (.clock, .enable, .d(total_in), .q(total_read));
    wire signed [PRODUCT_BITS-1:0] multiplied;
    pqk_product_integer #(
        .A(LIMIT_BITS),
        .B(TOTAL_BITS),
        .B_SIGNED(0),
        .W(PRODUCT_BITS),
        .STAGES(MULTIPLY_STAGES)
    ) multiply (
        .clock,
        .enable,
        .a(entry[LIMIT_BITS-1:0]),
        .b(total_read),
        .p(multiplied)
    );
    wire strict;
    pqk_delay #(
        .WIDTH (BITS + STEPS),
        .STAGES(MULTIPLY_STAGES + 2)
    ) beside (
        .clock,
        .enable,
        .d({x_in, passed_in}),
        .q({x_multiplied, passed_multiplied})
    );
    pqk_delay #(
        .WIDTH (TOTAL_BITS + 1),
        .STAGES(MULTIPLY_STAGES + 1)
    ) behind (
        .clock,
        .enable,
        .d({total_read, entry[LIMIT_BITS]}),
        .q({total_multiplied, strict})
    );
    logic signed [PRODUCT_BITS-1:0] product;
    localparam int COMPARED = (BITS > PRODUCT_BITS ? BITS : PRODUCT_BITS) + 1;
    // Twice what is compared; a limit that has to be passed is one more.
    wire signed [COMPARED-1:0] left = {COMPARED'(x_multiplied) << 1};
    wire signed [COMPARED-1:0] right = {(COMPARED'(product) << 1) | COMPARED'(strict)};
    always_ff @(posedge clock) begin
      if (enable) begin
        product <= multiplied;
        x_out <= x_multiplied;
        total_out <= total_multiplied;
        passed <= STEPS'({passed_multiplied, left >= right});
      end
    end
  end
  wire unused = &{g_step[STEPS-1].x_out, g_step[STEPS-1].total_out};
  logic [BITS_OUT-1:0] codes[2**STEPS];
  initial $readmemh(CODES, codes);
  always_ff @(posedge clock) if (enable) code <= codes[g_step[STEPS-1].passed];

  if (STEPS < 1 || LIMIT_BITS < 1 || TOTAL_BITS < 1) begin : g_illegal
    $error("a comparison at least was expected: STEPS, LIMIT_BITS, TOTAL_BITS");
  end
endmodule
`default_nettype wire
