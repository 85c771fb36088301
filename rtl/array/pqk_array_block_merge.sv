// Halves of outliers merged as a row of weights is loaded: a micro-block of MicroScopiQ's encoding, eight slots with their flag and
// permutation list, to eight weights that need no network (family microscopiq). A pair of a list is an upper place and, above it, a
// lower one; equal places say nothing. A weight is, from the lowest bit on, its magnitude (an outlier's with its hidden bit), its sign,
// and whether it is an outlier. What makes room for a lower half is zero. Weights come a cycle later.
`default_nettype none
module pqk_array_block_merge #(
    parameter int BITS = 4,  // of a slot: 2 or 4
    localparam int MICRO = 8,
    localparam int PAIRS = 4,
    localparam int HALF = BITS / 2,
    localparam int WEIGHT = BITS + 3
) (
    input  wire                     clock,
    input  wire                     flag,
    input  wire  [     6*PAIRS-1:0] places,
    input  wire  [  BITS*MICRO-1:0] slots,
    output logic [WEIGHT*MICRO-1:0] weights
);
  wire [MICRO-1:0][BITS-1:0] slot = slots;
  wire [PAIRS-1:0] there;
  wire [PAIRS-1:0][2:0] upper, lower;
  wire [PAIRS-1:0][HALF-1:0] low_half;
  for (genvar i = 0; i < PAIRS; i++) begin : g_pair
    assign upper[i] = places[6*i+:3];
    assign lower[i] = places[6*i+3+:3];
    assign there[i] = flag && upper[i] != lower[i];
    assign low_half[i] = slot[lower[i]][HALF-1:0];
  end

  for (genvar c = 0; c < MICRO; c++) begin : g_place
    logic outlier, pruned;
    logic [HALF-1:0] rest;
    always_comb begin
      outlier = 1'b0;
      pruned = 1'b0;
      rest = '0;
      for (int i = 0; i < PAIRS; i++) begin
        outlier |= there[i] && upper[i] == 3'(c);
        pruned |= there[i] && lower[i] == 3'(c);
        rest |= {HALF{there[i] && upper[i] == 3'(c)}} & low_half[i];
      end
    end
    wire [BITS:0] whole = {1'b1, slot[c][HALF-1:0], rest};
    wire [BITS:0] inlier = {2'b0, slot[c][BITS-2:0]};
    always_ff @(posedge clock)
      weights[WEIGHT*c+:WEIGHT] <= {outlier, slot[c][BITS-1], outlier ? whole : pruned ? (BITS + 1)'(0) : inlier};
  end

  if (BITS != 2 && BITS != 4) begin : g_illegal
    $error("slots of 2 or 4 bits were expected: BITS");
  end
endmodule
`default_nettype wire
