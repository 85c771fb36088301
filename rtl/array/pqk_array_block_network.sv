// What all rows share of eight columns (family microscopiq): an arbiter and NETWORKS butterflies, which bring products of lower halves
// to those of upper ones. In a step every row whose micro-block has outliers requests one of them; each takes a row a cycle, the upper
// ones first. `more` says that some are left over: then the step has another cycle. Requests, lists and products stay as they are until
// `enable` ends it. Terms come four cycles after they were taken, with the row that each network served.
`default_nettype none
module pqk_array_block_network #(
    parameter int ROWS = 8,
    parameter int NETWORKS = 1,
    localparam int MICRO = 8,
    localparam int LANES = 2,
    localparam int PAIRS = 4,
    localparam int LIST = 6 * PAIRS + 1,  // its flag lowest
    localparam int PRODUCT = 19,
    localparam int TERM = PRODUCT + 3,
    localparam int PRODUCTS = LANES * MICRO * PRODUCT,
    localparam int TERMS = LANES * MICRO * TERM,
    localparam int LATENCY = 4
) (
    input  wire                         clock,
    input  wire                         enable,
    input  wire                         narrow,
    input  wire  [            ROWS-1:0] requests,
    input  wire  [ROWS*LANES*LIST-1:0] lists,
    input  wire  [   ROWS*PRODUCTS-1:0] products,
    output wire                         more,
    output wire  [   NETWORKS*ROWS-1:0] served,
    output wire  [  NETWORKS*TERMS-1:0] terms
);
  logic [ROWS-1:0] done;
  assign more = |g_network[NETWORKS-1].left;
  always_ff @(posedge clock) done <= enable ? '0 : requests & ~g_network[NETWORKS-1].left;

  for (genvar k = 0; k < NETWORKS; k++) begin : g_network
    wire [ROWS-1:0] asking, granted, left;
    if (k == 0) begin : g_first
      assign asking = requests & ~done;
    end else begin : g_next
      assign asking = g_network[k-1].left;
    end
    assign granted = asking & (~asking + 1'b1);
    assign left = asking & ~granted;
    logic [PRODUCTS-1:0] product, chosen;
    logic [LANES*LIST-1:0] list, named;
    always_comb begin
      {chosen, named} = '0;
      for (int r = 0; r < ROWS; r++) begin
        chosen |= products[r*PRODUCTS+:PRODUCTS] & {PRODUCTS{granted[r]}};
        named |= lists[r*LANES*LIST+:LANES*LIST] & {LANES * LIST{granted[r]}};
      end
    end
    always_ff @(posedge clock) {product, list} <= {chosen, named};
    pqk_delay #(.WIDTH(ROWS), .STAGES(LATENCY)) serves (.clock, .enable(1'b1), .d(granted), .q(served[k*ROWS+:ROWS]));

    for (genvar l = 0; l < LANES; l++) begin : g_lane
      wire flag = list[l*LIST];
      wire [6*PAIRS-1:0] places = list[l*LIST+1+:6*PAIRS];
      logic [MICRO-1:0] upper, lower;
      always_comb begin
        {upper, lower} = '0;
        for (int i = 0; i < PAIRS; i++) begin
          if (flag && places[6*i+:3] != places[6*i+3+:3]) begin
            upper[places[6*i+:3]]   = 1'b1;
            lower[places[6*i+3+:3]] = 1'b1;
          end
        end
      end
      wire [PRODUCT*MICRO-1:0] halves;
      wire [TERM*MICRO-1:0] own, merged;
      for (genvar c = 0; c < MICRO; c++) begin : g_column
        wire signed [PRODUCT-1:0] here = product[PRODUCT*(LANES*c+l)+:PRODUCT];
        wire signed [TERM-1:0] whole = upper[c] ? (narrow ? TERM'(here) <<< 1 : TERM'(here) <<< 2) : TERM'(here);
        assign halves[PRODUCT*c+:PRODUCT] = here;
        assign own[TERM*c+:TERM] = lower[c] ? '0 : whole;
        assign terms[k*TERMS+TERM*(LANES*c+l)+:TERM] = merged[TERM*c+:TERM];
      end
      pqk_array_block_butterfly #(.SUM(TERM), .TERM(PRODUCT)) butterfly (
          .clock, .flag, .places, .sums_in(own), .terms(halves), .sums(merged)
      );
    end
  end

  if (NETWORKS < 1 || ROWS < 1) begin : g_illegal
    $error("a network and a row at least were expected: NETWORKS, ROWS");
  end
endmodule
`default_nettype wire
