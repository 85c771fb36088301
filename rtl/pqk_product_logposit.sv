// Product of two Logarithmic Posits: logarithms add, leave the logarithmic domain through the table of 2**f that is part
// of the format's definition, and one shift aligns. With MAGNITUDE p is |p|; the sign is the exclusive or of the codes'
// top bits. Zero is code 0 and Not a Real.
//
// The first of STAGES registers stands before the shift, the second behind the tables of logarithms, the third before those of wide
// codes, the fourth within the shift of wide products, the others behind the shift; of narrow codes the second, if products are wide.
`default_nettype none
module pqk_product_logposit #(
    parameter int A = 4,
    parameter int B = 4,
    parameter int L = 3,  // bits of a logarithm in units of 2**-F
    parameter int F = 1,  // fraction bits
    parameter int LOWEST = 0,  // fraction of the smallest sum, so that shifts begin at zero
    parameter bit [(L << (A - 1))-1:0] A_TABLE = '0,  // logarithm of every positive code above the smallest, code 0 lowest
    parameter bit [(L << (B - 1))-1:0] B_TABLE = '0,
    parameter bit [(8 << F)-1:0] SIGNIFICANDS = 1,
    parameter bit MAGNITUDE = 0,
    parameter int W = 8,
    parameter int STAGES = 0
) (
    input  wire                 clock,
    input  wire                 enable,
    input  wire         [A-1:0] a,
    input  wire         [B-1:0] b,
    output logic signed [W-1:0] p
);
  localparam int SUMS = STAGES > 0 ? 1 : 0;
  localparam bit NARROW = A <= 6 && B <= 6;
  localparam bit FAR = W > (NARROW ? 36 : 40);
  localparam int LOGARITHMS = STAGES > (NARROW && FAR ? 2 : 1) ? 1 : 0;
  localparam int BODIES = STAGES > 2 && !NARROW ? 1 : 0;
  localparam int S = L + 1 - F;
  localparam int WITHIN = STAGES > SUMS + LOGARITHMS + BODIES && FAR ? 1 : 0;
  localparam int BEHIND = STAGES - SUMS - LOGARITHMS - BODIES - WITHIN;
  // Negation without a carry chain, so that it becomes one with the table where codes are narrow: a bit changes if there is a
  // one below it.
  wire [A-2:0] a_body, a_held;
  wire [B-2:0] b_body, b_held;
  for (genvar i = 0; i < A - 1; i++) begin : g_a_body
    assign a_body[i] = a[i] ^ (a[A-1] && (a[A-2:0] & (A-1)'((1 << i) - 1)) != 0);
  end
  for (genvar i = 0; i < B - 1; i++) begin : g_b_body
    assign b_body[i] = b[i] ^ (b[B-1] && (b[B-2:0] & (B-1)'((1 << i) - 1)) != 0);
  end
  wire negative = !MAGNITUDE && (a[A-1] ^ b[B-1]);
  wire zero = a[A-2:0] == 0 || b[B-2:0] == 0;
  wire [1:0] early;
  pqk_delay #(
      .WIDTH (A + B),
      .STAGES(BODIES)
  ) bodies (
      .clock,
      .enable,
      .d({a_body, b_body, negative, zero}),
      .q({a_held, b_held, early})
  );

  wire [L-1:0] a_logarithm, b_logarithm;
  wire [1:0] flags;
  wire [L-1:0] a_found, b_found;
  pqk_table #(.BITS(A - 1), .WIDTH(L), .TABLE(A_TABLE)) a_table (
      .clock(1'b0), .enable(1'b0), .index(a_held), .entry(a_found)
  );
  pqk_table #(.BITS(B - 1), .WIDTH(L), .TABLE(B_TABLE)) b_table (
      .clock(1'b0), .enable(1'b0), .index(b_held), .entry(b_found)
  );
  pqk_delay #(
      .WIDTH (2 * L + 2),
      .STAGES(LOGARITHMS)
  ) logarithms (
      .clock,
      .enable,
      .d({a_found, b_found, early}),
      .q({a_logarithm, b_logarithm, flags})
  );
  wire [L:0] sum = a_logarithm + b_logarithm + (L + 1)'(LOWEST);
  wire [7:0] significand, one_or_more;
  if (F > 0) begin : g_fraction
    pqk_table #(.BITS(F), .WIDTH(8), .TABLE(SIGNIFICANDS)) significands (
        .clock(1'b0), .enable(1'b0), .index(sum[F-1:0]), .entry(one_or_more)
    );
  end else begin : g_whole
    assign one_or_more = SIGNIFICANDS;
  end
  assign significand = one_or_more & {8{!flags[0]}};
  wire [7:0] magnitude;
  wire [S-1:0] shift;
  wire negative_held;
  pqk_delay #(
      .WIDTH (8 + S + 1),
      .STAGES(SUMS)
  ) sums (
      .clock,
      .enable,
      .d({significand, sum[L:F], flags[1]}),
      .q({magnitude, shift, negative_held})
  );

  localparam int LOW = WITHIN > 0 ? (S + 2) / 4 * 2 : 0;  // bits of the shift before the register within it
  localparam int M = 8 + 2 ** LOW - 1 < W ? 8 + 2 ** LOW - 1 : W;
  wire [M-1:0] partly;
  wire [S-1:0] rest;
  wire negative_rest;
  if (WITHIN > 0) begin : g_within
    pqk_product_align #(
        .M(8),
        .S(LOW),
        .W(M),
        .SIGNED(0),
        .STAGES(1)
    ) low (
        .clock,
        .enable,
        .magnitude,
        .shift(shift[LOW-1:0]),
        .negative(1'b0),
        .p(partly)
    );
    pqk_delay #(
        .WIDTH (S - LOW + 1),
        .STAGES(1)
    ) high (
        .clock,
        .enable,
        .d({shift[S-1:LOW], negative_held}),
        .q({rest[S-1:LOW], negative_rest})
    );
    assign rest[LOW-1:0] = 0;
  end else begin : g_at_once
    assign {partly, rest, negative_rest} = {M'(magnitude), shift, negative_held};
  end
  pqk_product_align #(
      .M(M),
      .S(S),
      .W(W),
      .SIGNED(!MAGNITUDE),
      .STAGES(BEHIND)
  ) align (
      .clock,
      .enable,
      .magnitude(partly),
      .shift(rest),
      .negative(negative_rest),
      .p
  );

  if (A < 2 || B < 2 || F > L) begin : g_illegal
    $error("codes of two bits at least, and fractions within logarithms, were expected: A, B, F, L");
  end
endmodule
`default_nettype wire
