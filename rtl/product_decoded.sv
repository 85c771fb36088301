// Exact product of two codes of any formats: both are decoded by tables to signed integers, which are multiplied.
module product_decoded #(
    parameter int A = 4,
    parameter int B = 4,
    parameter int A_WIDTH = 4,  // bits of the signed integers
    parameter int B_WIDTH = 4,
    parameter bit [(A_WIDTH << A)-1:0] A_TABLE = '0,  // integer of every code, code 0 lowest
    parameter bit [(B_WIDTH << B)-1:0] B_TABLE = '0,
    parameter bit DSP = 0,
    parameter int W = 8
) (
    input  logic        [A-1:0] a,
    input  logic        [B-1:0] b,
    output logic signed [W-1:0] p
);
  logic [A_WIDTH-1:0] left;
  logic [B_WIDTH-1:0] right;
  always_comb begin
    left = '0;
    for (int i = 0; i < 2 ** A; i++) if (a == A'(i)) left = A_TABLE[i*A_WIDTH+:A_WIDTH];
    right = '0;
    for (int i = 0; i < 2 ** B; i++) if (b == B'(i)) right = B_TABLE[i*B_WIDTH+:B_WIDTH];
  end
  product_integer #(.A(A_WIDTH), .B(B_WIDTH), .DSP(DSP), .W(W)) multiplier (.a(left), .b(right), .p);
endmodule
