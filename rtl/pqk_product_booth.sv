// p = a * b of two integers, by radix-4 Booth recoding of b: each row adds one of -2a, -a, 0, a, 2a to what the rows
// below have left. A row is one carry chain whose LUTs see two bits of a, three of b and one of the sum so far: six inputs.
`default_nettype none
module pqk_product_booth #(
    parameter int A = 4,
    parameter bit A_SIGNED = 1,
    parameter int B = 4,
    parameter bit B_SIGNED = 1,
    parameter int W = A + B
) (
    input  wire  [A-1:0] a,
    input  wire  [B-1:0] b,
    output logic [W-1:0] p
);
  localparam int ROWS = B_SIGNED ? (B + 1) / 2 : B / 2 + 1;
  localparam int R = A + 3;  // bits of a row's sum: a doubled, its sign, and what the row below carries over
  localparam int ALL = 2 * ROWS + R;
  wire a_sign = A_SIGNED && a[A-1];
  wire [2*ROWS:0] recoded = {{(2 * ROWS - B) {B_SIGNED && b[B-1]}}, b, 1'b0};

  logic signed [ALL-1:0] sums[ROWS+1];
  assign sums[0] = '0;
  for (genvar r = 0; r < ROWS; r++) begin : g_row
    wire [2:0] digit = recoded[2*r+:3];
    wire [R-1:0] once = {{3{a_sign}}, a};
    wire [R-1:0] multiple = digit[1] != digit[0] ? once : digit[2] != digit[1] ? once << 1 : '0;
    wire [R-1:0] sum;
    pqk_add_subtract #(.W(R)) add (.x(sums[r][2*r+:R]), .y(multiple), .negate(digit[2]), .sum);
    assign sums[r+1] = (ALL'($signed(sum)) <<< (2 * r)) | (sums[r] & ALL'((1 << (2 * r)) - 1));
  end
  assign p = W'(sums[ROWS]);

  if (A < 1 || B < 1) begin : g_illegal
    $error("codes of a bit at least were expected: A, B");
  end
endmodule
`default_nettype wire
