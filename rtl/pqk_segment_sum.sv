// Sum of products whose weights lie in blocks: the lanes of every segment share an exponent, by which their sum is shifted
// left before the segments are added. Signs are those of pqk_dot_product_sum; a register after every level, and behind the shift.
`default_nettype none
module pqk_segment_sum #(
    parameter int LANES = 8,
    parameter int SEGMENT = 4,  // lanes that share an exponent, a divisor of LANES
    parameter int W = 8,  // bits of a signed term
    parameter int E = 2,  // bits of an exponent
    parameter int S = 16,  // bits of the sum, taken modulo 2**S if that is too few
    parameter bit SIGNS = 0,  // whether `negate` is ever set
    localparam int SEGMENTS = LANES / SEGMENT
) (
    input  wire                          clock,
    input  wire                          enable,
    input  wire         [   LANES*W-1:0] terms,
    input  wire         [     LANES-1:0] negate,
    input  wire         [SEGMENTS*E-1:0] exponents,  // beside the sums of segments: $clog2(SEGMENT) steps behind the terms
    output logic signed [         S-1:0] sum,
    output logic                         negative
);
  if (SEGMENT < 1 || LANES % SEGMENT != 0 || E < 1) begin : g_illegal
    $error("lanes in whole segments were expected: LANES, SEGMENT, E");
  end

  localparam int LOW = W + $clog2(SEGMENT) < S ? W + $clog2(SEGMENT) : S;
  localparam int HIGH = LOW + 2 ** E - 1 < S ? LOW + 2 ** E - 1 : S;
  logic [SEGMENTS*HIGH-1:0] shifted;
  logic [SEGMENTS-1:0] signs;
  wire [SEGMENTS-1:0] negatives;
  for (genvar i = 0; i < SEGMENTS; i++) begin : g_segment
    wire signed [LOW-1:0] total;
    wire signed [HIGH-1:0] wide = HIGH'(total);
    pqk_dot_product_sum #(
        .LANES(SEGMENT),
        .W(W),
        .S(LOW),
        .SIGNS(SIGNS)
    ) tree (
        .clock,
        .enable,
        .terms   (terms[i*SEGMENT*W+:SEGMENT*W]),
        .negate  (negate[i*SEGMENT+:SEGMENT]),
        .sum     (total),
        .negative(negatives[i])
    );
    always_ff @(posedge clock) begin
      if (enable) begin
        shifted[i*HIGH+:HIGH] <= wide <<< exponents[i*E+:E];
        signs[i] <= negatives[i] ^ (i % 2 == 1 && negatives[i-i%2]);
      end
    end
  end
  pqk_dot_product_sum #(
      .LANES(SEGMENTS),
      .W(HIGH),
      .S(S),
      .SIGNS(SIGNS)
  ) tree (
      .clock,
      .enable,
      .terms (shifted),
      .negate(signs),
      .sum,
      .negative
  );
endmodule
`default_nettype wire
