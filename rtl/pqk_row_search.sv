// Where x lies among limits that are each times `total`: the code at that place. Nothing is divided.
//
// A binary search, one bit of the place at a time: a memory of limits by the bits so far, a product, and a comparison, each with
// registers behind it. Numbers of more than CHUNK bits are multiplied and compared from their lowest CHUNK bits on, each part a
// step behind the one below, so that no carry chain is longer. The limits of step s stand in the file LIMITS_<s>.hex, one word a
// line: above whether x has to pass it, not only to reach it.
//
// With IN_TURN there is one comparison, which a number passes STEPS times. Its memory, LIMITS_0.hex, has the limits of all steps, each
// by a 1 and the bits so far. A round takes a step more than a multiple of STEPS, so that no number meets one that came so many steps
// before: in turn 0 a number is new, and the one that has been compared STEPS times is done.
`default_nettype none
module pqk_row_search #(
    parameter int BITS = 40,  // of the signed numbers that are compared
    parameter int TOTAL_BITS = 32,  // of the unsigned total
    parameter int LIMIT_BITS = 9,  // of the signed limits
    parameter int BITS_OUT = 4,
    parameter int STEPS = 4,
    parameter int MULTIPLY_STAGES = 0,  // registers inside each multiplier; there is one behind it
    parameter int HELD = 0,  // as in `pqk_product_wide`
    parameter int CHUNK = BITS,
    parameter bit IN_TURN = 0,
    parameter LIMITS = "",
    parameter CODES = "",  // 2**STEPS codes
    localparam int TURN_BITS = STEPS > 1 ? $clog2(STEPS) : 1
) (
    input  wire                          clock,
    input  wire                          reset,
    input  wire                          enable,
    input  wire         [ TURN_BITS-1:0] turn,   // counts, if they come in turn
    input  wire  signed [      BITS-1:0] x,
    input  wire         [TOTAL_BITS-1:0] total,
    output logic        [  BITS_OUT-1:0] code    // STEPS * COMPARING + 1 steps later, or STEPS * ROUND + 1
);
  localparam int PARTS = (BITS + CHUNK - 1) / CHUNK;
  localparam int DEPTH = MULTIPLY_STAGES + HELD + 3;  // before the first comparison
  localparam int PRODUCT_BITS = TOTAL_BITS + LIMIT_BITS;
  localparam int TOP_BITS = PRODUCT_BITS > (PARTS - 1) * CHUNK ? PRODUCT_BITS - (PARTS - 1) * CHUNK : 1;  // as in `pqk_product_wide`
  localparam int COMPARING = DEPTH + PARTS;
  localparam int ROUND = (COMPARING + STEPS - 2) / STEPS * STEPS + 1;
  localparam int COMPARISONS = IN_TURN ? 1 : STEPS;
  wire [STEPS-1:0] place;
  for (genvar s = 0; s < COMPARISONS; s++) begin : g_step
    localparam bit [7:0] DIGIT = 8'd48 + 8'(s);
    wire [BITS-1:0] x_in, x_out;
    wire [TOTAL_BITS-1:0] total_in, total_out;
    // These have a reset, for they must not come out of a shift register, which is slow.
    logic [TOTAL_BITS-1:0] total_read;
    logic [LIMIT_BITS:0] limit;
    logic [TOTAL_BITS-1:0] total_beside;
    logic [LIMIT_BITS:0] entry;
    logic [STEPS-1:0] passed;  // its first bit highest
    wire [STEPS-1:0] passed_in, passed_beside;
    logic [LIMIT_BITS:0] memory[IN_TURN ? 2**STEPS : 2**s];
    initial $readmemh({LIMITS, "_", DIGIT, ".hex"}, memory);
    if (IN_TURN) begin : g_round
      wire is_new = turn == 0;
      wire [BITS-1:0] x_back;
      wire [TOTAL_BITS-1:0] total_back;
      pqk_delay #(
          .WIDTH (BITS + TOTAL_BITS + STEPS),
          .STAGES(ROUND - COMPARING)
      ) round (
          .clock,
          .enable,
          .d({x_out, total_out, passed}),
          .q({x_back, total_back, place})
      );
      assign x_in = is_new ? x : x_back;
      assign total_in = is_new ? total : total_back;
      assign passed_in = is_new ? STEPS'(1) : place;
      always_ff @(posedge clock) if (enable) entry <= memory[passed_in];
    end else if (s == 0) begin : g_first
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
    always_ff @(posedge clock) begin
      if (enable) total_beside <= total_in;
      if (reset) begin
        total_read <= 0;
        limit <= memory[0];  // and not 0, so that bits which all have alike stay constants
      end else if (enable) begin
        total_read <= total_beside;
        limit <= entry;
      end
    end
    pqk_delay #(
        .WIDTH (TOTAL_BITS),
        .STAGES(DEPTH + PARTS - 2)
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

    wire [PARTS*CHUNK-1:0] parts;
    wire signed [TOP_BITS-1:0] top;
    wire unused_parts = &parts;  // the last of them
    pqk_product_wide #(
        .A(TOTAL_BITS),
        .B(LIMIT_BITS),
        .CHUNK(CHUNK),
        .PARTS(PARTS),
        .STAGES(MULTIPLY_STAGES),
        .HELD(HELD)
    ) multiply (
        .clock,
        .reset,
        .enable,
        .a(total_read),
        .b(limit[LIMIT_BITS-1:0]),
        .parts,
        .top
    );

    for (genvar k = 0; k < PARTS; k++) begin : g_part
      localparam int LOW = k * CHUNK;
      localparam int WIDTH = k < PARTS - 1 ? CHUNK : BITS - LOW;  // of what is compared here
      wire [WIDTH-1:0] number;
      wire reached_below;  // by all that lies below, or as much as a limit asks for that has to be reached alone
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
      if (k == 0) begin : g_lowest
        pqk_delay #(
            .WIDTH (1),
            .STAGES(MULTIPLY_STAGES + HELD + 1)
        ) strictly (
            .clock,
            .enable,
            .d(!limit[LIMIT_BITS]),
            .q(reached_below)
        );
      end else begin : g_higher
        logic known;
        always_ff @(posedge clock) if (enable) known <= g_part[k-1].reached;
        assign reached_below = known;
      end
      // Whether {number, reached_below} >= {the product, 1}: the sign of the difference the other way round, less 1.
      if (k < PARTS - 1) begin : g_unsigned
        wire [CHUNK+1:0] apart = {1'b0, parts[LOW+:CHUNK], 1'b1} + {1'b1, ~number, !reached_below};
        wire unused_apart = &apart;
        assign reached = apart[CHUNK+1];
      end else begin : g_signed
        localparam int COMPARED = (WIDTH > TOP_BITS ? WIDTH : TOP_BITS) + 2;
        wire [COMPARED-2:0] higher = (COMPARED - 1)'($signed(number));
        wire [COMPARED-1:0] apart = {(COMPARED - 1)'(top), 1'b1} + {~higher, !reached_below};
        wire unused_apart = &apart;
        assign reached = apart[COMPARED-1];
      end
    end
    always_ff @(posedge clock) if (enable) passed <= STEPS'({passed_beside, g_part[PARTS-1].reached});
  end
  if (!IN_TURN) begin : g_done
    assign place = g_step[STEPS-1].passed;
  end
  wire unused = &{turn, g_step[COMPARISONS-1].x_out, g_step[COMPARISONS-1].total_out};
  logic [BITS_OUT-1:0] codes[2**STEPS];
  initial $readmemh(CODES, codes);
  always_ff @(posedge clock) if (enable) code <= codes[place];

  if (STEPS < 1 + IN_TURN || LIMIT_BITS < 1 || TOTAL_BITS < 1 || CHUNK < 1 || TOTAL_BITS > BITS) begin : g_illegal
    $error("a comparison at least, of a total and of wider numbers, was expected: STEPS, LIMIT_BITS, TOTAL_BITS, CHUNK");
  end
endmodule
`default_nettype wire
