// Exact product of two codes of any formats: both are decoded by tables to signed integers, which are multiplied. The first of
// STAGES registers stands behind the tables, the others in the multiplier.
`default_nettype none
module pqk_product_decoded #(
    parameter int A = 4,
    parameter int B = 4,
    parameter int A_WIDTH = 4,  // bits of the signed integers
    parameter int B_WIDTH = 4,
    parameter bit [(A_WIDTH << A)-1:0] A_TABLE = '0,  // integer of every code, code 0 lowest
    parameter bit [(B_WIDTH << B)-1:0] B_TABLE = '0,
    parameter bit DSP = 0,
    parameter int W = 8,
    parameter int STAGES = 0
) (
    input  wire                 clock,
    input  wire                 enable,
    input  wire         [A-1:0] a,
    input  wire         [B-1:0] b,
    output logic signed [W-1:0] p
);
  localparam int DECODING = STAGES > 0 ? 1 : 0;
  wire [A_WIDTH-1:0] a_integer, left;
  wire [B_WIDTH-1:0] b_integer, right;
  pqk_table #(.BITS(A), .WIDTH(A_WIDTH), .TABLE(A_TABLE)) a_table (
      .clock(1'b0), .enable(1'b0), .index(a), .entry(a_integer)
  );
  pqk_table #(.BITS(B), .WIDTH(B_WIDTH), .TABLE(B_TABLE)) b_table (
      .clock(1'b0), .enable(1'b0), .index(b), .entry(b_integer)
  );
  pqk_delay #(
      .WIDTH (A_WIDTH + B_WIDTH),
      .STAGES(DECODING)
  ) decoded (
      .clock,
      .enable,
      .d({a_integer, b_integer}),
      .q({left, right})
  );
  pqk_product_integer #(
      .A(A_WIDTH),
      .B(B_WIDTH),
      .DSP(DSP),
      .W(W),
      .STAGES(STAGES - DECODING)
  ) multiplier (
      .clock,
      .enable,
      .a(left),
      .b(right),
      .p
  );
endmodule
`default_nettype wire
