// Where x lies among limits that are each times `total`: the code at that place. Nothing is divided.
//
// A binary search, one bit of the place at a time: a memory of limits by the bits so far, a product, and a comparison, each with
// registers behind it. Numbers of more than CHUNK bits are multiplied and compared from their lowest CHUNK bits on, each part a
// step behind the one below, so that no carry chain is longer. The limits of step s stand in the file LIMITS_<s>.hex, one word a
// line: above whether x has to pass it, not only to reach it.
`default_nettype none
module pqk_row_search #(
    parameter int BITS = 40,  // of the signed numbers that are compared
    parameter int TOTAL_BITS = 32,  // of the unsigned total
    parameter int LIMIT_BITS = 9,  // of the signed limits
    parameter int BITS_OUT = 4,
    parameter int STEPS = 4,
    parameter int MULTIPLY_STAGES = 0,  // registers inside each multiplier; there is one behind it
    parameter int CHUNK = BITS,
    parameter LIMITS = "",
    parameter CODES = ""  // 2**STEPS codes
) (
    input  wire                          clock,
    input  wire                          enable,
    input  wire  signed [      BITS-1:0] x,
    input  wire         [TOTAL_BITS-1:0] total,
    output logic        [  BITS_OUT-1:0] code    // STEPS * (MULTIPLY_STAGES + PARTS + 2) + 1 steps later
);
  localparam int PARTS = (BITS + CHUNK - 1) / CHUNK;
  localparam int DEPTH = MULTIPLY_STAGES + 2;  // before the first comparison
  for (genvar s = 0; s < STEPS; s++) begin : g_step
    localparam bit [7:0] DIGIT = 8'd48 + 8'(s);
    wire [BITS-1:0] x_in, x_out;
    wire [TOTAL_BITS-1:0] total_in, total_read, total_out;
    wire [STEPS-1:0] passed_in, passed_beside;
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
    pqk_delay #(
        .WIDTH (TOTAL_BITS),
        .STAGES(DEPTH + PARTS - 1)
    ) behind (
        .clock,
        .enable,
        .d(total_read),
        .q(total_out)
    );
    pqk_delay #(
        .WIDTH (STEPS),
        .STAGES(DEPTH + PARTS - 1)
    ) beside (
        .clock,
        .enable,
        .d(passed_in),
        .q(passed_beside)
    );

    for (genvar k = 0; k < PARTS; k++) begin : g_part
      localparam int LOW = k * CHUNK;
      localparam int WIDTH = k < PARTS - 1 ? CHUNK : BITS - LOW;  // of what is compared here
      localparam int LEFT = TOTAL_BITS - LOW;  // bits of the total from here on
      localparam int FACTOR_BITS = LEFT < 1 ? 1 : LEFT < CHUNK ? LEFT : CHUNK;
      // Of a part's product and what the part below leaves over; the highest has no more than it needs.
      localparam int SUM_BITS = LIMIT_BITS + 2 + (k < PARTS - 1 ? CHUNK : PARTS > 1 ? FACTOR_BITS : FACTOR_BITS - 1);
      wire [WIDTH-1:0] number;
      wire [LIMIT_BITS:0] limit;
      wire [FACTOR_BITS-1:0] factor;
      wire signed [SUM_BITS-1:0] below;
      wire reached_below;  // by all that lies below, or as much as a limit asks for that has to be reached alone
      logic signed [SUM_BITS-1:0] sum;
      wire reached;
      pqk_delay #(
          .WIDTH (WIDTH),
          .STAGES(DEPTH + k)
      ) compared (
          .clock,
          .enable,
          .d(x_in[LOW+:WIDTH]),
          .q(number)
      );
      pqk_delay #(
          .WIDTH (WIDTH),
          .STAGES(PARTS - k)
      ) kept (
          .clock,
          .enable,
          .d(number),
          .q(x_out[LOW+:WIDTH])
      );
      pqk_delay #(.WIDTH(LIMIT_BITS + 1), .STAGES(k)) limits (.clock, .enable, .d(entry), .q(limit));
      if (LEFT > 0) begin : g_product
        wire signed [LIMIT_BITS+FACTOR_BITS:0] multiplied;
        pqk_delay #(
            .WIDTH (FACTOR_BITS),
            .STAGES(k)
        ) factors (
            .clock,
            .enable,
            .d(total_read[LOW+:FACTOR_BITS]),
            .q(factor)
        );
        pqk_product_integer #(
            .A(LIMIT_BITS),
            .B(FACTOR_BITS),
            .B_SIGNED(0),
            .W(LIMIT_BITS + FACTOR_BITS + 1),
            .STAGES(MULTIPLY_STAGES)
        ) multiply (
            .clock,
            .enable,
            .a(limit[LIMIT_BITS-1:0]),
            .b(factor),
            .p(multiplied)
        );
        always_ff @(posedge clock) if (enable) sum <= SUM_BITS'(multiplied) + below;
      end else begin : g_rest
        assign factor = 0;
        wire unused_factor = &{factor, limit};
        always_ff @(posedge clock) if (enable) sum <= below;
      end
      if (k == 0) begin : g_lowest
        pqk_delay #(
            .WIDTH (1),
            .STAGES(MULTIPLY_STAGES + 1)
        ) strictly (
            .clock,
            .enable,
            .d(!entry[LIMIT_BITS]),
            .q(reached_below)
        );
        assign below = 0;
      end else begin : g_higher
        logic known;
        always_ff @(posedge clock) if (enable) known <= g_part[k-1].reached;
        assign reached_below = known;
        assign below = SUM_BITS'(g_part[k-1].sum >>> CHUNK);
      end
      wire unused_limit = limit[LIMIT_BITS];
      // Whether {number, reached_below} >= {sum, 1}: the sign of the difference the other way round, less 1.
      if (k < PARTS - 1) begin : g_unsigned
        wire [CHUNK+1:0] apart = {1'b0, sum[CHUNK-1:0], 1'b1} + {1'b1, ~number, !reached_below};
        wire unused_apart = &apart;
        assign reached = apart[CHUNK+1];
      end else begin : g_signed
        localparam int COMPARED = (WIDTH > SUM_BITS ? WIDTH : SUM_BITS) + 2;
        wire [COMPARED-2:0] higher = (COMPARED - 1)'($signed(number));
        wire [COMPARED-1:0] apart = {(COMPARED - 1)'(sum), 1'b1} + {~higher, !reached_below};
        wire unused_apart = &apart;
        assign reached = apart[COMPARED-1];
      end
    end
    always_ff @(posedge clock) if (enable) passed <= STEPS'({passed_beside, g_part[PARTS-1].reached});
  end
  wire unused = &{g_step[STEPS-1].x_out, g_step[STEPS-1].total_out};
  logic [BITS_OUT-1:0] codes[2**STEPS];
  initial $readmemh(CODES, codes);
  always_ff @(posedge clock) if (enable) code <= codes[g_step[STEPS-1].passed];

  if (STEPS < 1 || LIMIT_BITS < 1 || TOTAL_BITS < 1 || CHUNK < 1 || TOTAL_BITS > BITS) begin : g_illegal
    $error("a comparison at least, of a total and of wider numbers, was expected: STEPS, LIMIT_BITS, TOTAL_BITS, CHUNK");
  end
endmodule
`default_nettype wire
