// Exact product of two integers, two's complement or plain binary, with zero points. DSP leaves the choice of multiplier
// to the tool; otherwise it is built of Booth rows in LUTs.
module product_integer #(
    parameter int A = 4,  // bits of a code
    parameter int B = 4,
    parameter bit A_SIGNED = 1,
    parameter bit B_SIGNED = 1,
    parameter int A_ZERO = 0,  // zero points: the integer of a code is code - zero
    parameter int B_ZERO = 0,
    parameter int A_WIDTH = A,  // bits of the integers without their zero points' excess: signed if there is a zero point
    parameter int B_WIDTH = B,
    parameter bit DSP = 0,
    parameter int W = 8
) (
    input  logic        [A-1:0] a,
    input  logic        [B-1:0] b,
    output logic signed [W-1:0] p
);
  wire [A_WIDTH-1:0] left;
  wire [B_WIDTH-1:0] right;
  if (A_ZERO == 0) assign left = a;
  else assign left = A_WIDTH'($signed({A_SIGNED && a[A-1], a})) - A_WIDTH'(A_ZERO);
  if (B_ZERO == 0) assign right = b;
  else assign right = B_WIDTH'($signed({B_SIGNED && b[B-1], b})) - B_WIDTH'(B_ZERO);

  localparam bit L = A_SIGNED || A_ZERO != 0;
  localparam bit R = B_SIGNED || B_ZERO != 0;
  if (DSP) begin : dsp
    assign p = W'($signed({L && left[A_WIDTH-1], left}) * $signed({R && right[B_WIDTH-1], right}));
  end else if (!L && !R) begin : unsigned_rows
    wire [A_WIDTH+B_WIDTH-1:0] q;
    product_unsigned #(.A(A_WIDTH), .B(B_WIDTH)) multiplier (.a(left), .b(right), .p(q));
    assign p = W'(q);
  end else if (R && (B_WIDTH <= A_WIDTH || !L)) begin : rows
    product_booth #(.A(A_WIDTH), .A_SIGNED(L), .B(B_WIDTH), .B_SIGNED(R), .W(W)) multiplier (.a(left), .b(right), .p);
  end else begin : swapped_rows
    product_booth #(.A(B_WIDTH), .A_SIGNED(R), .B(A_WIDTH), .B_SIGNED(L), .W(W)) multiplier (.a(right), .b(left), .p);
  end
endmodule
