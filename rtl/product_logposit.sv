// Product of two Logarithmic Posits: logarithms add, leave the logarithmic domain through the table of 2**f that is part
// of the format's definition, and one shift aligns. Tables give the logarithm of every code above the format's smallest.
// With MAGNITUDE p is |p|; the sign is the exclusive or of the codes' top bits. Zero is code 0 and Not a Real.
module product_logposit #(
    parameter int A = 4,
    parameter int B = 4,
    parameter int L = 3,  // bits of a logarithm in units of 2**-F
    parameter int F = 1,  // fraction bits
    parameter int LOWEST = 0,  // fraction of the smallest sum, so that shifts begin at zero
    parameter bit [(L << A)-1:0] A_TABLE = '0,
    parameter bit [(L << B)-1:0] B_TABLE = '0,
    parameter bit [(8 << F)-1:0] SIGNIFICANDS = 1,
    parameter bit MAGNITUDE = 0,
    parameter int W = 8
) (
    input  logic        [A-1:0] a,
    input  logic        [B-1:0] b,
    output logic signed [W-1:0] p
);
  logic [L-1:0] a_log;
  logic [L-1:0] b_log;
  always_comb begin
    a_log = '0;
    for (int i = 0; i < 2 ** A; i++) if (a == A'(i)) a_log = A_TABLE[i*L+:L];
    b_log = '0;
    for (int i = 0; i < 2 ** B; i++) if (b == B'(i)) b_log = B_TABLE[i*L+:L];
  end
  wire [L:0] sum = a_log + b_log + (L + 1)'(LOWEST);

  wire zero = a[A-2:0] == 0 || b[B-2:0] == 0;
  logic [7:0] significand;
  if (F == 0) begin : whole
    assign significand = {7'b0, !zero};
  end else begin : fractional
    always_comb begin
      significand = '0;
      for (int i = 0; i < 2 ** F; i++) if (sum[F-1:0] == F'(i) && !zero) significand = SIGNIFICANDS[i*8+:8];
    end
  end
  wire [W-1:0] magnitude = W'(significand) << (sum >> F);
  wire negative = !MAGNITUDE && (a[A-1] ^ b[B-1]);
  assign p = W'(({{W{1'b0}}, negative} + {magnitude ^ {W{negative}}, negative}) >> 1);
endmodule
