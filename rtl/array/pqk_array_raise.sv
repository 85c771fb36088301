// Sums of a column times the power of two of the word that they were made of, at its foot: two lanes, or with `narrow` off one in the
// first segment. What stands in the second one then is no sum. They come a cycle later.
`default_nettype none
module pqk_array_raise #(
    parameter int LANE = 21,  // of two sums, or one of both
    parameter int SEGMENT = 30,
    parameter int SHIFT = 3,
    localparam int BEFORE = SEGMENT - (1 << SHIFT) + 1  // bits of a sum
) (
    input  wire                  clock,
    input  wire                  narrow,
    input  wire  [    SHIFT-1:0] exponent,
    input  wire  [   2*LANE-1:0] sums,
    output logic [2*SEGMENT-1:0] raised
);
  wire signed [LANE-1:0] first = sums[0+:LANE], second = sums[LANE+:LANE];
  wire signed [BEFORE-1:0] whole = narrow ? BEFORE'(first) : sums[BEFORE-1:0];
  always_ff @(posedge clock) raised <= {SEGMENT'(second) << exponent, SEGMENT'(whole) << exponent};
  wire unused = &sums;

  if (BEFORE < LANE || BEFORE > 2 * LANE) begin : g_illegal
    $error("a sum of one lane to two was expected: SEGMENT, SHIFT, LANE");
  end
endmodule
`default_nettype wire
