// sum = x + y or x - y. The carry comes in through one place more below, x + x of equal bits, which costs no LUT: every bit
// of the sum is one LUT on a carry chain, with room for up to four inputs that make y.
//
// A chain takes one of both summands beside its LUTs, which has to be there without logic or costs LUTs of its own: x, or
// with BESIDE y (those that turn its bits where `negate` is not constant), for an x that is made of some inputs.
`default_nettype none
module pqk_add_subtract #(
    parameter int W = 8,
    parameter bit BESIDE = 0
) (
    input  wire  [W-1:0] x,
    input  wire  [W-1:0] y,
    input  wire          negate,
    output logic [W-1:0] sum
);
  wire [W:0] all;
  if (BESIDE) begin : g_y_beside
    assign all = {y ^ {W{negate}}, negate} + {x, negate};
  end else begin : g_x_beside
    assign all = {x, negate} - {~(y ^ {W{negate}}), 1'b1};
  end
  assign sum = all[W:1];
  wire unused = all[0];
endmodule
`default_nettype wire
