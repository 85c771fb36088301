// p = a * b of two integers, by radix-4 Booth recoding of b: each row adds one of -2a, -a, 0, a, 2a to what the rows
// below have left. A row is one carry chain whose LUTs see two bits of a, three of b and one of the sum so far: six inputs.
module product_booth #(
    parameter int A = 4,
    parameter bit A_SIGNED = 1,
    parameter int B = 4,
    parameter bit B_SIGNED = 1,
    parameter int W = A + B
) (
    input  logic        [A-1:0] a,
    input  logic        [B-1:0] b,
    output logic signed [W-1:0] p
);
  localparam int ROWS = B_SIGNED ? (B + 1) / 2 : B / 2 + 1;
  localparam int R = A + 3;  // bits of a row's sum: an operand of A + 1 bits doubled, and what the row below carries over
  wire signed [A:0] multiplicand = {A_SIGNED && a[A-1], a};
  wire [2*ROWS:0] recoded = {{(2 * ROWS - B + 1) {B_SIGNED && b[B-1]}}, b} << 1;

  logic signed [2*ROWS+R-1:0] sum[ROWS+1];
  assign sum[0] = '0;
  for (genvar r = 0; r < ROWS; r++) begin : rows
    wire [2:0] digit = recoded[2*r+:3];
    wire one = digit[1] ^ digit[0];
    wire two = digit == 3'b011 || digit == 3'b100;
    wire signed [R-1:0] multiple = (two ? {multiplicand[A], multiplicand, 1'b0} : one ? R'(multiplicand) : '0) ^ {R{digit[2]}};
    // One bit more below lets the carry of the negation in: x + x + 1 of equal bits.
    wire signed [R-1:0] above = sum[r][2*r+:R];
    wire signed [R:0] added = $signed({above, digit[2]}) + $signed({multiple, digit[2]});
    if (r > 0) assign sum[r+1][2*r-1:0] = sum[r][2*r-1:0];
    assign sum[r+1][2*ROWS+R-1:2*r] = (2 * ROWS + R - 2 * r)'($signed(added[R:1]));
  end
  assign p = W'(sum[ROWS]);
endmodule
