// Exact product of two integers, two's complement or plain binary, with zero points. It is built of Booth rows in LUTs, or with
// DSP left to the tool as one multiplication that asks for a DSP. The first of STAGES registers stands behind the zero points,
// if there are any; the others part the rows, or are those of the DSP before it multiplies.
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
    parameter int W = 8,
    parameter int STAGES = 0
) (
    input  wire                 clock,
    input  wire                 enable,
    input  wire         [A-1:0] a,
    input  wire         [B-1:0] b,
    output logic signed [W-1:0] p
);
  localparam bit L = A_SIGNED || A_ZERO != 0;
  localparam bit R = B_SIGNED || B_ZERO != 0;
  localparam int OFFSETTING = STAGES > 0 && (A_ZERO != 0 || B_ZERO != 0) ? 1 : 0;
  localparam int MULTIPLYING = STAGES - OFFSETTING;
  wire [A_WIDTH-1:0] a_integer, left;
  wire [B_WIDTH-1:0] b_integer, right;
  if (A_ZERO == 0) begin : g_left
    assign a_integer = a;
  end else begin : g_left_zero
    assign a_integer = A_WIDTH'($signed({A_SIGNED && a[A-1], a})) - A_WIDTH'(A_ZERO);
  end
  if (B_ZERO == 0) begin : g_right
    assign b_integer = b;
  end else begin : g_right_zero
    assign b_integer = B_WIDTH'($signed({B_SIGNED && b[B-1], b})) - B_WIDTH'(B_ZERO);
  end
  pqk_delay #(
      .WIDTH (A_WIDTH + B_WIDTH),
      .STAGES(OFFSETTING)
  ) offset (
      .clock,
      .enable,
      .d({a_integer, b_integer}),
      .q({left, right})
  );

  if (DSP) begin : g_dsp
    wire [A_WIDTH-1:0] x_held;
    wire [B_WIDTH-1:0] y_held;
    pqk_delay #(
        .WIDTH (A_WIDTH + B_WIDTH),
        .STAGES(MULTIPLYING)
    ) factors (
        .clock,
        .enable,
        .d({left, right}),
        .q({x_held, y_held})
    );
    wire signed [A_WIDTH:0] x = {L && x_held[A_WIDTH-1], x_held};
    wire signed [B_WIDTH:0] y = {R && y_held[B_WIDTH-1], y_held};
    (* use_dsp = "yes" *) wire signed [W-1:0] product = W'(x * y);  // Vivado would build small ones of LUTs
    assign p = product;
  end else if (!L && !R) begin : g_unsigned
    wire [A_WIDTH+B_WIDTH-1:0] q;
    pqk_product_unsigned #(
        .A(A_WIDTH),
        .B(B_WIDTH),
        .STAGES(MULTIPLYING)
    ) multiplier (
        .clock,
        .enable,
        .a(left),
        .b(right),
        .p(q)
    );
    assign p = W'(q);
  end else if (R && (B_WIDTH <= A_WIDTH || !L)) begin : g_rows
    pqk_product_booth #(
        .A(A_WIDTH),
        .A_SIGNED(L),
        .B(B_WIDTH),
        .B_SIGNED(R),
        .W(W),
        .STAGES(MULTIPLYING)
    ) multiplier (
        .clock,
        .enable,
        .a(left),
        .b(right),
        .p(p)
    );
  end else begin : g_swapped
    pqk_product_booth #(
        .A(B_WIDTH),
        .A_SIGNED(R),
        .B(A_WIDTH),
        .B_SIGNED(L),
        .W(W),
        .STAGES(MULTIPLYING)
    ) multiplier (
        .clock,
        .enable,
        .a(right),
        .b(left),
        .p(p)
    );
  end

  if ((A_ZERO == 0 && A_WIDTH != A) || (B_ZERO == 0 && B_WIDTH != B)) begin : g_illegal
    $error("integers as wide as their codes were expected where there is no zero point: A_WIDTH, B_WIDTH");
  end
endmodule
`default_nettype wire
