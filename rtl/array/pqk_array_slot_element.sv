// Processing element of the family microscopiq that keeps halves of outliers apart: a slot of 4 bits, or two of 2 bits (`narrow`), times
// an activation of 8 bits, shifted by the exponent of inliers or of the outliers of its lane. An upper half has the hidden bit; that it
// counts more than the lower one is said where both meet. Products come three steps after the activation, with the marks of their slots;
// a step is a cycle with `enable`.
`default_nettype none
module pqk_array_slot_element #(
    localparam int MARK = 5,
    localparam int SHIFT = 3,
    localparam int PRODUCT = 19
) (
    input  wire                        clock,
    input  wire                        enable,
    input  wire                        narrow,
    input  wire                        write,
    input  wire                        swap,
    input  wire        [          3:0] slot,
    input  wire        [   2*MARK-1:0] marks,  // of both lanes, as pqk_array_block_marks gives them
    input  wire signed [          7:0] activation,
    input  wire        [  3*SHIFT-1:0] shifts,  // of inliers and of the outliers of each lane, a step after the activation
    output wire        [2*PRODUCT-1:0] products,
    output wire        [   2*MARK-1:0] marks_of_products
);
  logic [2*MARK+3:0] next, now;
  always_ff @(posedge clock) begin
    if (enable && write) next <= {marks, slot};
    if (enable && swap) now <= next;
  end
  pqk_delay #(.WIDTH(2 * MARK), .STAGES(3)) behind (.clock, .enable, .d(now[4+:2*MARK]), .q(marks_of_products));

  for (genvar l = 0; l < 2; l++) begin : g_lane
    wire upper = now[4+l*MARK], lower = now[5+l*MARK];
    wire [2:0] wide = {upper || now[2] && !lower, now[1:0]};
    wire [1:0] pair = {upper, now[2*l]};
    wire negative = narrow ? now[2*l+1] : now[3];
    wire [2:0] magnitude = l == 0 && !narrow ? wide : {1'b0, pair};
    wire signed [3:0] signed_magnitude = negative ? -$signed({1'b0, magnitude}) : {1'b0, magnitude};
    logic signed [3:0] multiplier;
    logic signed [7:0] number;
    logic signed [11:0] product;
    logic signed [PRODUCT-1:0] shifted;
    logic outlier;
    logic [SHIFT-1:0] shift;
    always_ff @(posedge clock) begin
      if (enable) begin
        multiplier <= signed_magnitude;
        number <= activation;
        outlier <= upper || lower;
        product <= number * multiplier;
        shift <= outlier ? shifts[SHIFT*(l+1)+:SHIFT] : shifts[0+:SHIFT];
        shifted <= PRODUCT'(product) <<< shift;
      end
    end
    assign products[PRODUCT*l+:PRODUCT] = shifted;
  end
endmodule
`default_nettype wire
