// p = a * b of two integers, by radix-4 Booth recoding of b: each row adds one of -2a, -a, 0, a, 2a to what the rows
// below have left. A row is one carry chain whose LUTs see two bits of a, three of b and one of the sum so far: six inputs.
// STAGES registers part the rows evenly. The first beyond stands between the multiple of the first row and its carry chain; the
// others stand behind the last row, so that factors of few bits keep step with wider ones.
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
  localparam int PLACES = STAGES < ROWS ? STAGES + 1 : ROWS;  // into which registers part the rows
  localparam int FRONT = STAGES < ROWS ? 0 : 1;  // registers in front of the first carry chain
  // From so many bits of a on registers hold digits decoded: what drives so many LUTs must not come out of a shift register.
  localparam int WIDE = 14;

  for (genvar r = 0; r < ROWS; r++) begin : g_row
    localparam int DIGITS = 2 * (ROWS - r) + 1;  // bits of b from this row on, and the one below
    wire [A-1:0] multiplicand, kept;
    wire [DIGITS-1:0] digits, digits_kept;
    wire negate, twice, single, negative;
    wire signed [ALL-1:0] below;
    if (r == 0) begin : g_first
      assign multiplicand = a;
      assign digits = {{(2 * ROWS - B) {B_SIGNED && b[B-1]}}, b, 1'b0};
      assign below = '0;
      assign {negate, twice, single} = {digits[2], digits[2] != digits[1], digits[1] != digits[0]};
    end else begin : g_next
      localparam int CUTS = r * PLACES / ROWS - (r - 1) * PLACES / ROWS;  // 0 or 1
      pqk_delay #(
          .WIDTH (A + DIGITS + ALL),
          .STAGES(CUTS)
      ) cut (
          .clock,
          .enable,
          .d({g_row[r-1].kept, g_row[r-1].digits_kept[DIGITS+1:2], g_row[r-1].above}),
          .q({multiplicand, digits, below})
      );
      if (A < WIDE || CUTS == 0) begin : g_narrow
        assign {negate, twice, single} = {digits[2], digits[2] != digits[1], digits[1] != digits[0]};
      end else begin : g_wide
        wire [2:0] next = g_row[r-1].digits_kept[4:2];
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
    wire [R-1:0] added, sum;
    pqk_delay #(
        .WIDTH (A + DIGITS + R + 1),
        .STAGES(r == 0 ? FRONT : 0)
    ) front (
        .clock,
        .enable,
        .d({multiplicand, digits, multiple, negate}),
        .q({kept, digits_kept, added, negative})
    );
    pqk_add_subtract #(.W(R)) add (.x(below[2*r+:R]), .y(added), .negate(negative), .sum);
    wire unused_digits = &digits_kept;  // those of this row
    wire signed [ALL-1:0] above = (ALL'($signed(sum)) <<< (2 * r)) | (below & ALL'((1 << (2 * r)) - 1));
  end
  pqk_delay #(
      .WIDTH (W),
      .STAGES(STAGES + 1 - PLACES - FRONT)
  ) behind (
      .clock,
      .enable,
      .d(W'(g_row[ROWS-1].above)),
      .q(p)
  );
  wire unused = &{clock, enable, g_row[ROWS-1].above, g_row[ROWS-1].kept};

  if (A < 1 || B < 1) begin : g_illegal
    $error("codes of a bit at least were expected: A, B");
  end
  if (STAGES < 0) begin : g_illegal_stages
    $error("no negative delay was expected: STAGES");
  end
endmodule
`default_nettype wire
