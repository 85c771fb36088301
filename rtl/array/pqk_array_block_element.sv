// Processing element of the family microscopiq whose weights are merged already: one weight of 4 bits, or two of 2 bits (`narrow`),
// times an activation of 8 bits. Inliers and outliers have exponents of their own: either activations come shifted, once for inliers
// and for the outliers of each lane, or products are shifted here (BEHIND). Weights are those of pqk_array_block_merge: one of 7 bits,
// or two of 5.
//
// Two weights a bank, as in pqk_array_lp_element. What it adds comes four cycles after the activation, or five with BEHIND. Sums are
// two lanes of LANE bits, or one of both.
`default_nettype none
module pqk_array_block_element #(
    parameter int LANE = 38,
    parameter bit BEHIND = 0,
    localparam int SHIFT = 3,
    localparam int ACTIVATION = BEHIND ? 8 : 15,
    localparam int PRODUCT = 19
) (
    input  wire                         clock,
    input  wire                         narrow,
    input  wire                         write,
    input  wire                         swap,
    input  wire        [           9:0] weight,
    input  wire signed [ACTIVATION-1:0] activation,  // of inliers; with BEHIND of all
    input  wire        [2*ACTIVATION-1:0] of_outliers,  // by lane; not with BEHIND
    input  wire        [   3*SHIFT-1:0] shifts,  // of inliers and of the outliers of each lane; with BEHIND, a cycle after activations
    input  wire        [    2*LANE-1:0] sum_in,
    output logic       [    2*LANE-1:0] sum
);
  logic [9:0] next, weights;
  always_ff @(posedge clock) begin
    if (write) next <= weight;
    if (swap) weights <= next;
  end

  // Lane 0 has the lower three bits of a magnitude, lane 1 the upper two, or those of its own weight.
  wire [1:0] negative = {narrow ? weights[8] : weights[5], narrow ? weights[3] : weights[5]};
  wire [1:0] outlier = {narrow ? weights[9] : weights[6], narrow ? weights[4] : weights[6]};
  wire [1:0][2:0] magnitude = {narrow ? weights[7:5] : {1'b0, weights[4:3]}, weights[2:0]};
  logic signed [PRODUCT-1:0] factor[2];

  for (genvar l = 0; l < 2; l++) begin : g_lane
    wire signed [3:0] signed_magnitude = negative[l] ? -$signed({1'b0, magnitude[l]}) : {1'b0, magnitude[l]};
    logic signed [3:0] multiplier;
    logic signed [ACTIVATION-1:0] number;
    always_ff @(posedge clock) multiplier <= signed_magnitude;
    if (BEHIND) begin : g_behind
      logic which;
      logic signed [11:0] product;
      logic [SHIFT-1:0] shift;
      wire [SHIFT-1:0] mine = l == 1 && narrow ? shifts[2*SHIFT+:SHIFT] : shifts[SHIFT+:SHIFT];
      always_ff @(posedge clock) begin
        number <= activation;
        which <= outlier[l];
        product <= number * multiplier;
        shift <= which ? mine : shifts[0+:SHIFT];
        factor[l] <= PRODUCT'(product) <<< shift;
      end
    end else begin : g_before
      wire signed [ACTIVATION-1:0] mine = l == 1 && narrow ? of_outliers[ACTIVATION+:ACTIVATION] : of_outliers[0+:ACTIVATION];
      always_ff @(posedge clock) begin
        number <= outlier[l] ? mine : activation;
        factor[l] <= PRODUCT'(number) * PRODUCT'(multiplier);
      end
    end
  end

  logic [2*LANE-1:0] terms;
  wire signed [PRODUCT+3:0] both = (PRODUCT + 4)'(factor[0]) + ((PRODUCT + 4)'(factor[1]) <<< 3);
  wire [LANE:0] low = {1'b0, sum_in[0+:LANE]} + {1'b0, terms[0+:LANE]};
  always_ff @(posedge clock) begin
    terms <= narrow ? {LANE'(factor[1]), LANE'(factor[0])} : (2 * LANE)'(both);
    sum <= {sum_in[LANE+:LANE] + terms[LANE+:LANE] + LANE'(low[LANE] && !narrow), low[0+:LANE]};
  end
  wire unused = &{of_outliers, shifts};
endmodule
`default_nettype wire
