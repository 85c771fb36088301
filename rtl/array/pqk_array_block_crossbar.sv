// Eight columns of a row of the family microscopiq: products of lower halves go straight to the sums of their upper halves, which count
// 2 or 4 times as much, and all are added to the sums from above. Sums come two cycles after the products.
`default_nettype none
module pqk_array_block_crossbar #(
    parameter int LANE = 21,
    localparam int MICRO = 8,
    localparam int MARK = 5,
    localparam int PRODUCT = 19,
    localparam int TERM = PRODUCT + 3
) (
    input  wire                         clock,
    input  wire                         narrow,
    input  wire  [2*PRODUCT*MICRO-1:0] products,
    input  wire  [   2*MARK*MICRO-1:0] marks,
    input  wire  [   2*LANE*MICRO-1:0] sums_in,  // a cycle after the products
    output logic [   2*LANE*MICRO-1:0] sums
);
  // ---- products of each lane side by side: a mark is then an index into them, which is a multiplexer and no shift
  wire [PRODUCT*MICRO-1:0] of_lane[2];
  for (genvar c = 0; c < MICRO; c++) begin : g_product
    for (genvar l = 0; l < 2; l++) begin : g_lane
      assign of_lane[l][PRODUCT*c+:PRODUCT] = products[PRODUCT*(2*c+l)+:PRODUCT];
    end
  end

  for (genvar c = 0; c < MICRO; c++) begin : g_column
    logic signed [TERM-1:0] term[2];
    for (genvar l = 0; l < 2; l++) begin : g_lane
      wire [MARK-1:0] mark = marks[MARK*(2*c+l)+:MARK];
      wire signed [PRODUCT-1:0] own = of_lane[l][PRODUCT*c+:PRODUCT];
      wire signed [PRODUCT-1:0] other = of_lane[l][PRODUCT*mark[4:2]+:PRODUCT];
      wire signed [TERM-1:0] mine = mark[0] ? (narrow ? TERM'(own) <<< 1 : TERM'(own) <<< 2) : TERM'(own);
      always_ff @(posedge clock) term[l] <= (mark[1] ? '0 : mine) + (mark[0] ? TERM'(other) : '0);
    end
    wire [2*LANE-1:0] terms = narrow ? {LANE'(term[1]), LANE'(term[0])} : (2 * LANE)'(term[0]);
    wire [2*LANE-1:0] above = sums_in[2*LANE*c+:2*LANE];
    wire [LANE:0] low = {1'b0, above[0+:LANE]} + {1'b0, terms[0+:LANE]};
    always_ff @(posedge clock)
      sums[2*LANE*c+:2*LANE] <= {above[LANE+:LANE] + terms[LANE+:LANE] + LANE'(low[LANE] && !narrow), low[0+:LANE]};
  end
endmodule
`default_nettype wire
