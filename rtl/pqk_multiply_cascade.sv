// Sum of products in a column of DSPs, one a product: each adds its own to what comes from the one before, so that nothing is
// added outside. Lane i must come i steps after lane 0; 3 steps after the last one the sum is there.
//
// Registers stand at both factors, behind the product and behind the sum, where a DSP has them; OFFSET enters at the third input
// of the first adder. The text is what Vivado and Yosys make DSPs of.
`default_nettype none
module pqk_multiply_cascade #(
    parameter int LENGTH = 4,
    parameter int A = 25,  // bits of signed factors
    parameter int B = 18,
    parameter int P = 48,  // bits of the signed sum
    parameter longint OFFSET = 0
) (
    input  wire                       clock,
    input  wire                       enable,
    input  wire         [LENGTH*A-1:0] a,
    input  wire         [LENGTH*B-1:0] b,
    output logic signed [       P-1:0] p
);
  if (LENGTH < 1 || A > 25 || B > 18 || P > 48) begin : g_illegal
    $error("factors of 25 and 18 bits and a sum of 48 at most were expected, of a lane at least: A, B, P, LENGTH");
  end

  wire signed [P-1:0] sums[LENGTH+1];
  assign sums[0] = P'(OFFSET);
  for (genvar i = 0; i < LENGTH; i++) begin : g_lane
    logic signed [A-1:0] left;
    logic signed [B-1:0] right;
    logic signed [A+B-1:0] product;
    (* use_dsp = "yes" *) logic signed [P-1:0] sum;
    always_ff @(posedge clock) begin
      if (enable) begin
        left <= a[i*A+:A];
        right <= b[i*B+:B];
        product <= left * right;
        sum <= P'(product) + sums[i];
      end
    end
    assign sums[i+1] = sum;
  end
  assign p = sums[LENGTH];
endmodule
`default_nettype wire
