// Any product of two narrow codes from the table of all of them: entry {a, b} of TABLE, W bits each, entry 0 lowest.
`default_nettype none
module pqk_product_table #(
    parameter int A = 2,
    parameter int B = 2,
    parameter int W = 4,
    parameter bit [(W << (A + B))-1:0] TABLE = '0,
    parameter int STAGES = 0
) (
    input  wire                 clock,
    input  wire                 enable,
    input  wire         [A-1:0] a,
    input  wire         [B-1:0] b,
    output logic signed [W-1:0] p
);
  pqk_table #(
      .BITS  (A + B),
      .WIDTH (W),
      .TABLE (TABLE),
      .STAGES(STAGES)
  ) products (
      .clock,
      .enable,
      .index({a, b}),
      .entry(p)
  );
endmodule
`default_nettype wire
