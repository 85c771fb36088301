// Any product of two narrow codes from the table of all of them: entry {a, b} of TABLE, W bits each, entry 0 lowest.
`default_nettype none
module pqk_product_table #(
    parameter int A = 2,
    parameter int B = 2,
    parameter int W = 4,
    parameter bit [(W << (A + B))-1:0] TABLE = '0
) (
    input  wire         [A-1:0] a,
    input  wire         [B-1:0] b,
    output logic signed [W-1:0] p
);
  assign p = TABLE[{a, b}*W+:W];
endmodule
`default_nettype wire
