// p = a * b of two unsigned integers: as many LUTs as bits of p where a and b are six bits together, else Booth rows.
// STAGES registers stand behind the LUTs or between the rows.
`default_nettype none
module pqk_product_unsigned #(
    parameter int A = 3,
    parameter int B = 3,
    parameter int STAGES = 0
) (
    input  wire            clock,
    input  wire            enable,
    input  wire  [  A-1:0] a,
    input  wire  [  B-1:0] b,
    output logic [A+B-1:0] p
);
  localparam int W = A + B;
  localparam int BITS = W <= 6 ? W << W : W;
  function automatic logic [BITS-1:0] products();
    for (int i = 0; i < 2 ** W; i++) products[i*W+:W] = W'((i >> B) * (i & (2 ** B - 1)));
  endfunction

  if (W <= 6) begin : g_table
    localparam logic [BITS-1:0] TABLE = products();
    pqk_table #(
        .BITS  (W),
        .WIDTH (W),
        .TABLE (TABLE),
        .STAGES(STAGES)
    ) all (
        .clock,
        .enable,
        .index({a, b}),
        .entry(p)
    );
  end else begin : g_rows
    pqk_product_booth #(
        .A(A),
        .A_SIGNED(0),
        .B(B),
        .B_SIGNED(0),
        .STAGES(STAGES)
    ) multiplier (
        .clock,
        .enable,
        .a,
        .b,
        .p
    );
  end
endmodule
`default_nettype wire
