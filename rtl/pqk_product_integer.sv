// Exact product of two integers, two's complement or plain binary, with zero points. It is built of Booth rows in LUTs, or with
// DSP left to the tool as one multiplication that asks for a DSP.
`default_nettype none
module pqk_product_integer #(
    parameter int A = 4,  // bits of a code
    parameter int B = 4,
    parameter bit A_SIGNED = 1,
    parameter bit B_SIGNED = 1,
    parameter int A_ZERO = 0,  // zero points: the integer of a code is code - zero
    parameter int B_ZERO = 0,
    parameter int A_WIDTH = A,  // bits of the integers, signed if there is a zero point
    parameter int B_WIDTH = B,
    parameter bit DSP = 0,
    parameter int W = 8
) (
    input  wire         [A-1:0] a,
    input  wire         [B-1:0] b,
    output logic signed [W-1:0] p
);
  localparam bit L = A_SIGNED || A_ZERO != 0;
  localparam bit R = B_SIGNED || B_ZERO != 0;
  wire [A_WIDTH-1:0] left;
  wire [B_WIDTH-1:0] right;
  if (A_ZERO == 0) begin : g_left
    assign left = a;
  end else begin : g_left_zero
    assign left = A_WIDTH'($signed({A_SIGNED && a[A-1], a})) - A_WIDTH'(A_ZERO);
  end
  if (B_ZERO == 0) begin : g_right
    assign right = b;
  end else begin : g_right_zero
    assign right = B_WIDTH'($signed({B_SIGNED && b[B-1], b})) - B_WIDTH'(B_ZERO);
  end

  if (DSP) begin : g_dsp
    wire signed [A_WIDTH:0] x = {L && left[A_WIDTH-1], left};
    wire signed [B_WIDTH:0] y = {R && right[B_WIDTH-1], right};
    (* use_dsp = "yes" *) wire signed [W-1:0] product = W'(x * y);  // Vivado would build small ones of LUTs
    assign p = product;
  end else if (!L && !R) begin : g_unsigned
    wire [A_WIDTH+B_WIDTH-1:0] q;
    pqk_product_unsigned #(.A(A_WIDTH), .B(B_WIDTH)) multiplier (.a(left), .b(right), .p(q));
    assign p = W'(q);
  end else if (R && (B_WIDTH <= A_WIDTH || !L)) begin : g_rows
    pqk_product_booth #(.A(A_WIDTH), .A_SIGNED(L), .B(B_WIDTH), .B_SIGNED(R), .W(W)) multiplier (.a(left), .b(right), .p(p));
  end else begin : g_swapped
    pqk_product_booth #(.A(B_WIDTH), .A_SIGNED(R), .B(A_WIDTH), .B_SIGNED(L), .W(W)) multiplier (.a(right), .b(left), .p(p));
  end

  if ((A_ZERO == 0 && A_WIDTH != A) || (B_ZERO == 0 && B_WIDTH != B)) begin : g_illegal
    $error("integers as wide as their codes were expected where there is no zero point: A_WIDTH, B_WIDTH");
  end
endmodule
`default_nettype wire
