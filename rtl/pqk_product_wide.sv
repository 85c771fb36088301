// Product of an unsigned number of any width and a signed one, with registers behind it. `a` is multiplied from its lowest CHUNK bits
// on, each part a step behind the one below, so that no carry chain is longer than what a part and `b` have. The product comes as it
// is made, in PARTS parts of CHUNK bits: part k stands STAGES + HELD + 1 + k steps behind the factors, and what is above it is `top`.
`default_nettype none
module pqk_product_wide #(
    parameter int A = 32,  // bits of the unsigned number
    parameter int B = 9,  // of the signed one
    parameter int CHUNK = A,
    parameter int PARTS = (A + CHUNK - 1) / CHUNK,  // more than A has, if more are asked for
    parameter int STAGES = 0,  // registers inside each multiplier
    parameter int HELD = 0,  // and between it and the sum with what lies below
    localparam int TOP_BITS = A + B > (PARTS - 1) * CHUNK ? A + B - (PARTS - 1) * CHUNK : 1  // no more than it needs
) (
    input  wire                          clock,
    input  wire                          reset,
    input  wire                          enable,
    input  wire         [         A-1:0] a,
    input  wire         [         B-1:0] b,
    output logic        [PARTS*CHUNK-1:0] parts,  // the last one is that of `top`, or not all of it
    output logic signed [  TOP_BITS-1:0] top
);
  for (genvar k = 0; k < PARTS; k++) begin : g_part
    localparam int LOW = k * CHUNK;
    localparam int LEFT = A - LOW;  // bits of `a` from here on
    localparam int FACTOR_BITS = LEFT < 1 ? 1 : LEFT < CHUNK ? LEFT : CHUNK;
    localparam int SUM_BITS = k < PARTS - 1 ? B + 2 + CHUNK : TOP_BITS;
    wire signed [SUM_BITS-1:0] below, added;
    logic signed [SUM_BITS-1:0] sum;  // has a reset, for it must not come out of a shift register, which is slow
    if (k == 0) begin : g_lowest
      assign below = 0;
    end else begin : g_higher
      assign below = SUM_BITS'(g_part[k-1].sum >>> CHUNK);
    end
    if (LEFT > 0) begin : g_product
      wire [FACTOR_BITS-1:0] factor;
      wire [B-1:0] other;
      wire signed [B+FACTOR_BITS-1:0] multiplied, product;
      if (k == 0) begin : g_at_once
        assign factor = a[LOW+:FACTOR_BITS];
        assign other  = b;
      end else begin : g_later
        wire [FACTOR_BITS+B-1:0] waiting;
        logic [FACTOR_BITS+B-1:0] held;  // has a reset as well
        pqk_delay #(
            .WIDTH (FACTOR_BITS + B),
            .STAGES(k - 1)
        ) wait_for_below (
            .clock,
            .enable,
            .d({a[LOW+:FACTOR_BITS], b}),
            .q(waiting)
        );
        always_ff @(posedge clock) begin
          if (reset) held <= 0;
          else if (enable) held <= waiting;
        end
        assign {factor, other} = held;
      end
      pqk_product_booth #(
          .A(FACTOR_BITS),
          .A_SIGNED(0),
          .B(B),
          .W(B + FACTOR_BITS),
          .STAGES(STAGES)
      ) multiply (
          .clock,
          .enable,
          .a(factor),
          .b(other),
          .p(multiplied)
      );
      if (HELD > 0) begin : g_held
        wire  [B+FACTOR_BITS-1:0] behind;
        logic [B+FACTOR_BITS-1:0] last;  // has a reset as well
        pqk_delay #(
            .WIDTH (B + FACTOR_BITS),
            .STAGES(HELD - 1)
        ) hold (
            .clock,
            .enable,
            .d(multiplied),
            .q(behind)
        );
        always_ff @(posedge clock) begin
          if (reset) last <= 0;
          else if (enable) last <= behind;
        end
        assign product = last;
      end else begin : g_not_held
        assign product = multiplied;
      end
      assign added = SUM_BITS'(product) + below;
    end else begin : g_rest
      assign added = below;
    end
    always_ff @(posedge clock) begin
      if (reset) sum <= 0;
      else if (enable) sum <= added;
    end
    assign parts[LOW+:CHUNK] = CHUNK'(sum);
    if (k == PARTS - 1) begin : g_top
      assign top = sum;
    end
  end
endmodule
`default_nettype wire
