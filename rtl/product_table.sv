// Any product of two narrow codes from the table of all of them: entry {a, b} of TABLE, W bits each, entry 0 lowest.
// With MAGNITUDE the table holds |p| of the codes without their top bits, which are signs (see product_minifloat).
module product_table #(
    parameter int A = 2,
    parameter int B = 2,
    parameter int W = 4,
    parameter int A_BODY = A,  // low bits of a and b that index the table: all, or all but a sign
    parameter int B_BODY = B,
    parameter bit MAGNITUDE = 0,
    parameter bit [(W << (A_BODY + B_BODY))-1:0] TABLE = '0
) (
    input  logic        [A-1:0] a,
    input  logic        [B-1:0] b,
    output logic signed [W-1:0] p
);
  wire [A_BODY+B_BODY-1:0] index = {a[A_BODY-1:0], b[B_BODY-1:0]};
  logic [W-1:0] entry;
  always_comb begin
    entry = '0;
    for (int i = 0; i < 2 ** (A_BODY + B_BODY); i++) if (index == (A_BODY + B_BODY)'(i)) entry = TABLE[i*W+:W];
  end
  wire negative = !MAGNITUDE && ((A > A_BODY && a[A-1]) ^ (B > B_BODY && b[B-1]));
  assign p = W'($signed(({1'b0, {W{1'b0}}, negative} + {1'b0, entry ^ {W{negative}}, negative}) >> 1));
endmodule
