// Eight columns of a row whose micro-blocks take turns in networks (family microscopiq): what is added to the sums from above. A row
// without outliers has its own products; what a network has merged for the others waits here until the step ends for all rows, which is
// the buffer that keeps rows together. Products are those of pqk_array_slot_element; their terms are kept from five cycles later on, and
// are added when `ends` says that the step has ended, five cycles after that.
`default_nettype none
module pqk_array_block_terms #(
    parameter int LANE = 21,
    parameter int NETWORKS = 1,
    localparam int MICRO = 8,
    localparam int LANES = 2,
    localparam int PRODUCT = 19,
    localparam int TERM = PRODUCT + 3,
    localparam int PRODUCTS = LANES * MICRO * PRODUCT,
    localparam int TERMS = LANES * MICRO * TERM,
    localparam int LATENCY = 4
) (
    input  wire                       clock,
    input  wire                       narrow,
    input  wire                       request,
    input  wire  [      PRODUCTS-1:0] products,
    input  wire  [      NETWORKS-1:0] served,  // by each network, four cycles after it took the products
    input  wire  [NETWORKS*TERMS-1:0] merged,
    input  wire                       ends,
    input  wire  [2*LANE*MICRO-1:0] sums_in,
    output logic [2*LANE*MICRO-1:0] sums
);
  wire requested;
  wire [PRODUCTS-1:0] own;
  pqk_delay #(.WIDTH(PRODUCTS + 1), .STAGES(LATENCY)) beside (.clock, .enable(1'b1), .d({request, products}), .q({requested, own}));

  logic [TERMS-1:0] found, kept;
  always_comb begin
    found = '0;
    for (int k = 0; k < NETWORKS; k++) found |= merged[k*TERMS+:TERMS] & {TERMS{served[k]}};
    if (!requested) begin
      for (int c = 0; c < LANES * MICRO; c++) found[c*TERM+:TERM] = TERM'($signed(own[c*PRODUCT+:PRODUCT]));
    end
  end
  always_ff @(posedge clock) if (!requested || |served) kept <= found;

  for (genvar c = 0; c < MICRO; c++) begin : g_column
    wire signed [TERM-1:0] first = kept[TERM*LANES*c+:TERM], second = kept[TERM*(LANES*c+1)+:TERM];
    wire [2*LANE-1:0] terms = narrow ? {LANE'(second), LANE'(first)} : (2 * LANE)'(first);
    wire unused = second[TERM-1];
    wire [2*LANE-1:0] above = sums_in[2*LANE*c+:2*LANE];
    wire [LANE:0] low = {1'b0, above[0+:LANE]} + {1'b0, terms[0+:LANE]};
    always_ff @(posedge clock)
      if (ends) sums[2*LANE*c+:2*LANE] <= {above[LANE+:LANE] + terms[LANE+:LANE] + LANE'(low[LANE] && !narrow), low[0+:LANE]};
  end
endmodule
`default_nettype wire
