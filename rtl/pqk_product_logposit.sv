// Product of two Logarithmic Posits: logarithms add, leave the logarithmic domain through the table of 2**f that is part
// of the format's definition, and one shift aligns. With MAGNITUDE p is |p|; the sign is the exclusive or of the codes'
// top bits. Zero is code 0 and Not a Real.
`default_nettype none
module pqk_product_logposit #(
    parameter int A = 4,
    parameter int B = 4,
    parameter int L = 3,  // bits of a logarithm in units of 2**-F
    parameter int F = 1,  // fraction bits
    parameter int LOWEST = 0,  // fraction of the smallest sum, so that shifts begin at zero
    parameter bit [(L << (A - 1))-1:0] A_TABLE = '0,  // logarithm of every positive code above the smallest, code 0 lowest
    parameter bit [(L << (B - 1))-1:0] B_TABLE = '0,
    parameter bit [(8 << F)-1:0] SIGNIFICANDS = 1,
    parameter bit MAGNITUDE = 0,
    parameter int W = 8
) (
    input  wire         [A-1:0] a,
    input  wire         [B-1:0] b,
    output logic signed [W-1:0] p
);
  wire [A-2:0] a_body;
  wire [B-2:0] b_body;
  assign a_body = a[A-1] ? -a[A-2:0] : a[A-2:0];
  assign b_body = b[B-1] ? -b[B-2:0] : b[B-2:0];
  wire [L:0] sum = A_TABLE[a_body*L+:L] + B_TABLE[b_body*L+:L] + (L + 1)'(LOWEST);
  wire zero = a[A-2:0] == 0 || b[B-2:0] == 0;
  wire [7:0] significand = zero ? '0 : SIGNIFICANDS[(sum & (L+1)'((1<<F)-1))*8+:8];
  pqk_product_align #(.M(8), .S(L + 1 - F), .W(W)) align (
      .magnitude(significand), .shift(sum[L:F]), .negative(!MAGNITUDE && (a[A-1] ^ b[B-1])), .p
  );

  if (A < 2 || B < 2 || F > L) begin : g_illegal
    $error("codes of two bits at least, and fractions within logarithms, were expected: A, B, F, L");
  end
endmodule
`default_nettype wire
