// Weights of MicroScopiQ's blocks out of what their memories hold, for PE outputs (in eights) and SIMD inputs, two steps later: a
// pqk_micro_block_merge for each lane [PE / 8][SIMD]. Slots and weights are [PE][SIMD], and exponents of inliers [SIMD].
`default_nettype none
module pqk_micro_block_decode #(
    parameter int PE = 8,
    parameter int SIMD = 1,
    parameter int BITS = 4,  // of a slot: 2 or 4
    localparam int MICRO = 8,
    localparam int EXPONENT = 3,
    localparam int WEIGHT = BITS + 5,
    localparam int SIDE = 27,
    localparam int LANES = PE / MICRO * SIMD
) (
    input  wire                       clock,
    input  wire                       enable,
    input  wire  [  PE*SIMD*BITS-1:0] slots,
    input  wire  [         LANES-1:0] flags,
    input  wire  [    LANES*SIDE-1:0] sides,
    input  wire  [ SIMD*EXPONENT-1:0] exponents,
    output logic [PE*SIMD*WEIGHT-1:0] weights
);
  for (genvar l = 0; l < LANES; l++) begin : g_lane
    localparam int FIRST = l / SIMD * MICRO * SIMD + l % SIMD;  // of its slots, which are SIMD apart
    wire [  MICRO*BITS-1:0] stored;
    wire [MICRO*WEIGHT-1:0] merged;
    for (genvar c = 0; c < MICRO; c++) begin : g_place
      assign stored[BITS*c+:BITS] = slots[BITS*(FIRST+c*SIMD)+:BITS];
      assign weights[WEIGHT*(FIRST+c*SIMD)+:WEIGHT] = merged[WEIGHT*c+:WEIGHT];
    end
    pqk_micro_block_merge #(.BITS(BITS)) merge (
        .clock, .enable, .flag(flags[l]), .side(sides[SIDE*l+:SIDE]), .exponent(exponents[EXPONENT*(l%SIMD)+:EXPONENT]),
        .slots(stored), .weights(merged)
    );
  end

  if (PE < MICRO || PE % MICRO != 0) begin : g_illegal
    $error("outputs in eights were expected: PE");
  end
endmodule
`default_nettype wire
