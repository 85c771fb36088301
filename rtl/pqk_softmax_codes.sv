// Codes of the shares that terms have in the sum of their row of WORDS words.
`default_nettype none
module pqk_softmax_codes #(
    parameter int TERM_BITS = 30,
    parameter int SUM_BITS = 32,
    parameter int BITS = 40,  // hold a factor times a term, with a sign
    parameter int REPEAT = 1,  // words of a frame, if it passes more than once
    parameter int PASSES = 1,
    parameter bit [PASSES*BITS-1:0] FACTOR = 1,  // of each pass, the first lowest
    parameter int FACTOR_BITS = 2,  // with a sign
    parameter int FACTOR_STAGES = 0,  // registers inside the multiplier; of several passes none
    parameter int LIMIT_BITS = 9,
    parameter int BITS_OUT = 4,
    parameter int STEPS = 4,
    parameter int MULTIPLY_STAGES = 0,
    parameter int HELD = 0,
    parameter int CHUNK = BITS,  // as in `pqk_row_search`
    parameter int LANES = 1,
    parameter int WORDS = 4,
    parameter LIMITS = "",
    parameter CODES = ""
) (
    input  wire                        clock,
    input  wire                        reset,
    input  wire                        in_valid,
    output logic                       in_ready,
    input  wire  [LANES*TERM_BITS-1:0] in_data,
    output logic                       out_valid,
    input  wire                        out_ready,
    output logic [ LANES*BITS_OUT-1:0] out_data
);
  localparam int PARTS = (BITS + CHUNK - 1) / CHUNK;
  localparam int STAGES = STEPS * (MULTIPLY_STAGES + HELD + PARTS + 3) + FACTOR_STAGES + 2;  // the product, the search

  wire take, first, move, read, room, leaving;
  wire  [LANES*TERM_BITS-1:0] read_terms, terms;
  logic [STAGES-1:0] valid;
  wire  [STAGES:0] moving = {valid, leaving};
  wire step;  // from a register: it enables all that follows
  wire [LANES*BITS_OUT-1:0] found;
  wire unused = moving[STAGES];
  pqk_skid #(
      .WIDTH(LANES * BITS_OUT)
  ) behind (
      .clock,
      .reset,
      .in_valid(valid[STAGES-1]),
      .in_ready(step),
      .in_data(found),
      .out_valid,
      .out_ready,
      .out_data
  );
  pqk_row_buffer #(
      .BITS (LANES * TERM_BITS),
      .WORDS(WORDS)
  ) rows (
      .clock,
      .reset,
      .in_valid,
      .in_ready,
      .in_data,
      .take,
      .first,
      .move,
      .step(room),
      .out_valid(read),
      .out_data(read_terms)
  );

  localparam int PASS_BITS = PASSES > 1 ? $clog2(PASSES) : 1;
  wire [PASS_BITS-1:0] pass;  // of the word that leaves
  wire last_pass;
  wire unused_pass = &{last_pass, pass};
  pqk_pass_address #(
      .LENGTH(1),
      .REPEAT(REPEAT),
      .PASSES(PASSES)
  ) passes (
      .clock,
      .reset,
      .advance(step && leaving),
      .address(pass),
      .last(last_pass)
  );
  logic [SUM_BITS-1:0] sum, read_total;  // so far, and of the row that is read
  wire [SUM_BITS-1:0] total, held;  // of the word that leaves, and beside its product
  logic [SUM_BITS-1:0] so_far;
  always_comb begin
    so_far = first ? 0 : sum;
    for (int lane = 0; lane < LANES; lane++) so_far = so_far + SUM_BITS'(in_data[lane*TERM_BITS+:TERM_BITS]);
  end
  always_ff @(posedge clock) begin
    if (take) sum <= so_far;
    if (move) read_total <= sum;
    if (reset) valid <= 0;
    else if (step) valid <= moving[STAGES-1:0];
  end

  pqk_skid #(
      .WIDTH(LANES * TERM_BITS + SUM_BITS)
  ) words (
      .clock,
      .reset,
      .in_valid(read),
      .in_ready(room),
      .in_data({read_terms, read_total}),
      .out_valid(leaving),
      .out_ready(step),
      .out_data({terms, total})
  );

  pqk_delay #(
      .WIDTH (SUM_BITS),
      .STAGES(FACTOR_STAGES + 1)
  ) beside (
      .clock,
      .enable(step),
      .d(total),
      .q(held)
  );

  for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
    logic signed [BITS-1:0] x;
    wire [BITS-1:0] scaled;
    if (FACTOR_STAGES == 0) begin : g_at_once
      wire [PASSES*BITS-1:0] products;  // by constants, which take less than a multiplier and a choice of the factor
      for (genvar i = 0; i < PASSES; i++) begin : g_pass
        assign products[i*BITS+:BITS] = BITS'(terms[lane*TERM_BITS+:TERM_BITS]) * FACTOR[i*BITS+:BITS];
      end
      assign scaled = PASSES > 1 ? products[pass*BITS+:BITS] : products[BITS-1:0];
    end else begin : g_multiplier
      pqk_product_integer #(
          .A(TERM_BITS),
          .A_SIGNED(0),
          .B(FACTOR_BITS),
          .W(BITS),
          .STAGES(FACTOR_STAGES)
      ) scale (
          .clock,
          .enable(step),
          .a(terms[lane*TERM_BITS+:TERM_BITS]),
          .b(FACTOR[FACTOR_BITS-1:0]),
          .p(scaled)
      );
    end
    always_ff @(posedge clock) if (step) x <= scaled;
    pqk_row_search #(
        .BITS(BITS),
        .TOTAL_BITS(SUM_BITS),
        .LIMIT_BITS(LIMIT_BITS),
        .BITS_OUT(BITS_OUT),
        .STEPS(STEPS),
        .MULTIPLY_STAGES(MULTIPLY_STAGES),
        .HELD(HELD),
        .CHUNK(CHUNK),
        .LIMITS(LIMITS),
        .CODES(CODES)
    ) search (
        .clock,
        .reset,
        .enable(step),
        .turn('0),
        .x,
        .total(held),
        .code(found[lane*BITS_OUT+:BITS_OUT])
    );
  end
endmodule
`default_nettype wire
