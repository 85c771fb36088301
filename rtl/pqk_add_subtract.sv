// sum = x + y or x - y. The carry comes in through one place more below, x + x of equal bits, which costs no LUT: every bit
// of the sum is one LUT on a carry chain, with room for up to four inputs that make y.
`default_nettype none
module pqk_add_subtract #(
    parameter int W = 8
) (
    input  wire  [W-1:0] x,
    input  wire  [W-1:0] y,
    input  wire          negate,
    output logic [W-1:0] sum
);
  wire [W:0] all = {x, negate} - {~(y ^ {W{negate}}), 1'b1};
  assign sum = all[W:1];
  wire unused = all[0];
endmodule
`default_nettype wire
