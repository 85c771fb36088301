// Weights of a micro-block of MicroScopiQ's encoding, two steps later. Slots are a sign above a magnitude. With the flag `side` is the
// exponent of outliers and, above it, four pairs of an upper and a lower place; equal places say nothing. `exponent` is that of inliers.
//
// A weight is, from the lowest bit on, three bits of its magnitude, an outlier's with the hidden bit, the sign, the exponent, and the
// rest of the magnitude. What made room for a lower half is zero.
`default_nettype none
module pqk_micro_block_merge #(
    parameter int BITS = 4,  // of a slot: 2 or 4
    localparam int MICRO = 8,
    localparam int PAIRS = 4,
    localparam int EXPONENT = 3,
    localparam int HALF = BITS / 2,
    localparam int MAGNITUDE = BITS + 1,
    localparam int WEIGHT = MAGNITUDE + 1 + EXPONENT,
    localparam int SIDE = EXPONENT + 6 * PAIRS
) (
    input  wire                     clock,
    input  wire                     enable,
    input  wire                     flag,
    input  wire  [        SIDE-1:0] side,
    input  wire  [    EXPONENT-1:0] exponent,
    input  wire  [  BITS*MICRO-1:0] slots,
    output logic [WEIGHT*MICRO-1:0] weights
);
  wire [MICRO-1:0][BITS-1:0] slot = slots;
  wire [PAIRS-1:0] there;
  wire [PAIRS-1:0][2:0] upper, lower;
  wire [PAIRS-1:0][HALF-1:0] low;
  for (genvar i = 0; i < PAIRS; i++) begin : g_pair
    assign upper[i] = side[EXPONENT+6*i+:3];
    assign lower[i] = side[EXPONENT+6*i+3+:3];
    assign there[i] = flag && upper[i] != lower[i];
    assign low[i] = slot[lower[i]][HALF-1:0];
  end

  // ---- a step: lower halves by pairs, and which pairs a place is of
  logic [PAIRS-1:0][HALF-1:0] low_half;
  logic [EXPONENT-1:0] of_inliers, of_outliers;
  always_ff @(posedge clock) if (enable) {low_half, of_outliers, of_inliers} <= {low, side[EXPONENT-1:0], exponent};
  for (genvar c = 0; c < MICRO; c++) begin : g_place
    logic [PAIRS-1:0] is_upper, is_lower, ups;
    logic [BITS-1:0] held;
    logic pruned;
    logic [HALF-1:0] rest;
    for (genvar i = 0; i < PAIRS; i++) begin : g_pair
      assign is_upper[i] = there[i] && upper[i] == 3'(c);
      assign is_lower[i] = there[i] && lower[i] == 3'(c);
    end
    always_ff @(posedge clock) if (enable) {ups, pruned, held} <= {is_upper, |is_lower, slot[c]};

    // ---- and another one
    always_comb begin
      rest = '0;
      for (int i = 0; i < PAIRS; i++) rest |= {HALF{ups[i]}} & low_half[i];
    end
    wire outlier = |ups;
    wire [MAGNITUDE-1:0] inlier = pruned ? '0 : MAGNITUDE'(held[BITS-2:0]);
    wire [MAGNITUDE-1:0] magnitude = outlier ? {1'b1, held[HALF-1:0], rest} : inlier;
    wire [EXPONENT-1:0] scale = outlier ? of_outliers : of_inliers;
    if (MAGNITUDE > 3) begin : g_wide
      always_ff @(posedge clock)
        if (enable) weights[WEIGHT*c+:WEIGHT] <= {magnitude[MAGNITUDE-1:3], scale, held[BITS-1], magnitude[2:0]};
    end else begin : g_narrow
      always_ff @(posedge clock) if (enable) weights[WEIGHT*c+:WEIGHT] <= {scale, held[BITS-1], magnitude};
    end
  end

  if (BITS != 2 && BITS != 4) begin : g_illegal
    $error("slots of 2 or 4 bits were expected: BITS");
  end
endmodule
`default_nettype wire
