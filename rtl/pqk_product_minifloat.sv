// Exact product of two minifloats: the significands multiply, the exponents add, one shift aligns, one conditional
// negation gives the sign. With MAGNITUDE p is |p|, for adders that subtract: the sign is the exclusive or of the codes'
// top bits (of the signed ones). Codes of infinities and NaN never occur; they are read as numbers.
//
// The first of STAGES registers stands before the shift, the next ones between the rows of a multiplier, if it has some, and
// before the sum of exponents, those beyond behind the shift.
`default_nettype none
module pqk_product_minifloat #(
    parameter int A_EXPONENT = 2,
    parameter int A_SIGNIFICAND = 1,
    parameter bit A_SIGNED = 1,
    parameter int B_EXPONENT = 2,
    parameter int B_SIGNIFICAND = 1,
    parameter bit B_SIGNED = 1,
    parameter bit MAGNITUDE = 0,
    parameter int A = A_EXPONENT + A_SIGNIFICAND + 32'(A_SIGNED),
    parameter int B = B_EXPONENT + B_SIGNIFICAND + 32'(B_SIGNED),
    parameter int W = 9,
    parameter int STAGES = 0
) (
    input  wire                 clock,
    input  wire                 enable,
    input  wire         [A-1:0] a,
    input  wire         [B-1:0] b,
    output logic signed [W-1:0] p
);
  localparam int SHIFTS = 2 ** A_EXPONENT + 2 ** B_EXPONENT - 4;  // largest shift: exponent field e shifts by max(e, 1) - 1
  localparam int S = SHIFTS > 0 ? $clog2(SHIFTS + 1) : 1;
  localparam int MA = A_SIGNIFICAND + 1;
  localparam int MB = B_SIGNIFICAND + 1;
  localparam int CUTS = MA + MB > 6 ? MB / 2 : 0;  // between rows
  localparam int WITHIN = STAGES - 1 < CUTS ? STAGES > 1 ? STAGES - 1 : 0 : CUTS;
  localparam int BEFORE = STAGES > 0 ? 1 : 0;
  localparam int BEHIND = STAGES - BEFORE - WITHIN;

  wire [A_EXPONENT-1:0] a_exponent = a[A_SIGNIFICAND+:A_EXPONENT];
  wire [B_EXPONENT-1:0] b_exponent = b[B_SIGNIFICAND+:B_EXPONENT];
  logic [MA-1:0] a_significand;
  logic [MB-1:0] b_significand;
  always_comb begin
    a_significand = MA'(a);
    a_significand[MA-1] = a_exponent != 0;
    b_significand = MB'(b);
    b_significand[MB-1] = b_exponent != 0;
  end
  wire [MA+MB-1:0] significand;
  pqk_product_unsigned #(
      .A(MA),
      .B(MB),
      .STAGES(WITHIN)
  ) multiplier (
      .clock,
      .enable,
      .a(a_significand),
      .b(b_significand),
      .p(significand)
  );

  localparam int E = A_EXPONENT + B_EXPONENT;
  function automatic logic [(S << E)-1:0] shifts();
    for (int i = 0; i < 2 ** E; i++) begin
      shifts[i*S+:S] = S'((i >> B_EXPONENT) + (i & (2 ** B_EXPONENT - 1)));
      if (i >> B_EXPONENT != 0) shifts[i*S+:S] = shifts[i*S+:S] - 1;
      if ((i & (2 ** B_EXPONENT - 1)) != 0) shifts[i*S+:S] = shifts[i*S+:S] - 1;
    end
  endfunction
  function automatic logic [(S << B_EXPONENT)-1:0] parts();
    for (int i = 0; i < 2 ** B_EXPONENT; i++) parts[i*S+:S] = S'(i == 0 ? -1 : i - 2);
  endfunction

  wire [S-1:0] shift;
  if (E <= 6) begin : g_shift_table
    localparam logic [(S << E)-1:0] TABLE = shifts();
    pqk_table #(
        .BITS  (E),
        .WIDTH (S),
        .TABLE (TABLE),
        .STAGES(WITHIN)
    ) sums (
        .clock,
        .enable,
        .index({a_exponent, b_exponent}),
        .entry(shift)
    );
  end else begin : g_shift_sum
    // max(a, 1) only touches the lowest bit; max(b, 1) - 2 is a function of b alone that fits the adder's LUTs.
    wire [S-1:0] a_part, b_part, b_less;
    pqk_table #(.BITS(B_EXPONENT), .WIDTH(S), .TABLE(parts())) less (
        .clock(1'b0), .enable(1'b0), .index(b_exponent), .entry(b_less)
    );
    pqk_delay #(
        .WIDTH (2 * S),
        .STAGES(WITHIN)
    ) exponents (
        .clock,
        .enable,
        .d({S'(a_exponent) | S'(a_exponent == 0), b_less}),
        .q({a_part, b_part})
    );
    assign shift = a_part + b_part;
  end
  wire negative = !MAGNITUDE && ((A_SIGNED && a[A-1]) ^ (B_SIGNED && b[B-1]));
  wire [MA+MB-1:0] significand_held;
  wire [S-1:0] shift_held;
  wire negative_held;
  pqk_delay #(
      .WIDTH (MA + MB + S),
      .STAGES(BEFORE)
  ) product (
      .clock,
      .enable,
      .d({significand, shift}),
      .q({significand_held, shift_held})
  );
  pqk_delay #(.WIDTH(1), .STAGES(BEFORE + WITHIN)) beside (.clock, .enable, .d(negative), .q(negative_held));
  pqk_product_align #(
      .M(MA + MB),
      .S(S),
      .W(W),
      .SIGNED(!MAGNITUDE),
      .STAGES(BEHIND)
  ) align (
      .clock,
      .enable,
      .magnitude(significand_held),
      .shift(shift_held),
      .negative(negative_held),
      .p
  );

  if (A_EXPONENT < 1 || B_EXPONENT < 1) begin : g_illegal
    $error("exponents of a bit at least were expected: A_EXPONENT, B_EXPONENT");
  end
endmodule
`default_nettype wire
