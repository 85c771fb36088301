// p = a * b of two integers, by radix-4 Booth recoding of b: each row adds one of -2a, -a, 0, a, 2a to what the rows
// below have left. A row is one carry chain whose LUTs see two bits of a, three of b and one of the sum so far: six inputs.
// STAGES registers part the rows evenly; those beyond stand behind the last row, so that factors of few bits keep step with
// wider ones.
`default_nettype none
module pqk_product_booth #(
    parameter int A = 4,
    parameter bit A_SIGNED = 1,
    parameter int B = 4,
    parameter bit B_SIGNED = 1,
    parameter int W = A + B,
    parameter int STAGES = 0
) (
    input  wire          clock,
    input  wire          enable,
    input  wire  [A-1:0] a,
    input  wire  [B-1:0] b,
    output logic [W-1:0] p
);
  localparam int ROWS = B_SIGNED ? (B + 1) / 2 : B / 2 + 1;
  localparam int R = A + 3;  // bits of a row's sum: a doubled, its sign, and what the row below carries over
  localparam int ALL = 2 * ROWS + R;
  // From so many bits of a on registers hold digits decoded: what drives so many LUTs must not come out of a shift register.
  localparam int WIDE = 14;

  for (genvar r = 0; r < ROWS; r++) begin : g_row
    localparam int DIGITS = 2 * (ROWS - r) + 1;  // bits of b from this row on, and the one below
    wire [A-1:0] multiplicand;
    wire [DIGITS-1:0] digits;
    wire negate, twice, single;
    wire signed [ALL-1:0] below;
    if (r == 0) begin : g_first
      assign multiplicand = a;
      assign digits = {{(2 * ROWS - B) {B_SIGNED && b[B-1]}}, b, 1'b0};
      assign below = '0;
      assign {negate, twice, single} = {digits[2], digits[2] != digits[1], digits[1] != digits[0]};
    end else begin : g_next
      localparam int CUTS = r * (STAGES + 1) / ROWS - (r - 1) * (STAGES + 1) / ROWS;
      pqk_delay #(
          .WIDTH (A + DIGITS + ALL),
          .STAGES(CUTS)
      ) cut (
          .clock,
          .enable,
          .d({g_row[r-1].multiplicand, g_row[r-1].digits[DIGITS+1:2], g_row[r-1].above}),
          .q({multiplicand, digits, below})
      );
      if (A < WIDE || CUTS != 1) begin : g_narrow
        assign {negate, twice, single} = {digits[2], digits[2] != digits[1], digits[1] != digits[0]};
      end else begin : g_wide
        wire [2:0] next = g_row[r-1].digits[4:2];
        wire unused = &digits;  // the lowest, here
        pqk_delay #(
            .WIDTH (3),
            .STAGES(1)
        ) decoded (
            .clock,
            .enable,
            .d({next[2] && next[1:0] != 3, next[2] != next[1], next[1] != next[0]}),
            .q({negate, twice, single})
        );
      end
    end
    wire [R-1:0] once = {{3{A_SIGNED && multiplicand[A-1]}}, multiplicand};
    wire [R-1:0] multiple = single ? once : twice ? once << 1 : '0;
    wire [R-1:0] sum;
    pqk_add_subtract #(.W(R)) add (.x(below[2*r+:R]), .y(multiple), .negate, .sum);
    wire signed [ALL-1:0] above = (ALL'($signed(sum)) <<< (2 * r)) | (below & ALL'((1 << (2 * r)) - 1));
  end
  pqk_delay #(
      .WIDTH (W),
      .STAGES(STAGES - (ROWS - 1) * (STAGES + 1) / ROWS)
  ) behind (
      .clock,
      .enable,
      .d(W'(g_row[ROWS-1].above)),
      .q(p)
  );
  wire unused = &{clock, enable, g_row[ROWS-1].above};

  if (A < 1 || B < 1) begin : g_illegal
    $error("codes of a bit at least were expected: A, B");
  end
  if (STAGES < 0) begin : g_illegal_stages
    $error("no negative delay was expected: STAGES");
  end
endmodule
`default_nettype wire
