// Rows x columns elements of the family microscopiq whose rows share networks that merge halves of outliers, as pqk_array_block_matrix
// otherwise. It works in steps: in one of them each row has the activation of another vector, and all rows go on together. A step lasts
// for as many cycles as the rows need that request a network for the same eight columns; `steps` is high in its last one, and what comes
// in stays as it is until then. Networks are pipelined beside the elements, so whoever waits does so for their number alone.
//
// Sums come ROWS + 5 steps and four cycles after the activation of row 0, and stay until the next step's.
`default_nettype none
module pqk_array_block_shared_matrix #(
    parameter int ROWS = 8,
    parameter int COLUMNS = 8,
    parameter int MODE = 1,
    parameter int LANE = 21,  // of a sum: two lanes, or one of both
    parameter int NETWORKS = 1,
    localparam int ROW = ROWS > 1 ? $clog2(ROWS) : 1,
    localparam int MICRO = 8,
    localparam int SLOT = 4,
    localparam int LANES = 2,
    localparam int EXPONENT = 3,
    localparam int LIST = 25,  // its flag lowest
    localparam int SIDE = LIST + EXPONENT,
    localparam int GROUPS = COLUMNS / MICRO,
    localparam int SLOTS = COLUMNS * SLOT + GROUPS * LANES * SIDE + EXPONENT
) (
    input  wire                       clock,
    input  wire [           MODE-1:0] mode,  // slots hold two weights of two bits; changes only while nothing moves
    input  wire                       write,
    input  wire [            ROW-1:0] write_row,
    input  wire [          SLOTS-1:0] slots,
    input  wire                       swap,
    input  wire                       valid,  // activations of row 0
    input  wire [         8*ROWS-1:0] codes,
    output wire                       steps,
    output wire [COLUMNS*2*LANE-1:0] sums
);
  localparam int MARK = 5;
  localparam int WEIGHT = SLOT + LANES * MARK;
  localparam int PRODUCT = 19;
  localparam int PRODUCTS = LANES * MICRO * PRODUCT;
  localparam int TERMS = LANES * MICRO * (PRODUCT + 3);
  localparam int SHIFTS = EXPONENT * (1 + LANES);
  localparam int SUMS = 2 * LANE * MICRO;
  localparam int MADE = 3;  // steps from an activation to its product
  wire narrow = mode[0];
  wire [GROUPS-1:0] more;
  wire ends;
  assign steps = more == '0;
  pqk_delay #(.WIDTH(1), .STAGES(5)) terms_end (.clock, .enable(1'b1), .d(steps), .q(ends));

  // ---- edges of columns: slots with their marks, exponents and lists, a step later
  wire [COLUMNS*WEIGHT-1:0] weights;
  logic [GROUPS*SHIFTS-1:0] shifts_read;
  logic [GROUPS*LANES*LIST-1:0] lists_read;
  for (genvar g = 0; g < GROUPS; g++) begin : g_edge
    wire [LANES*SIDE-1:0] sides = slots[COLUMNS*SLOT+g*LANES*SIDE+:LANES*SIDE];
    pqk_array_block_marked marked (
        .clock, .enable(steps), .slots(slots[g*MICRO*SLOT+:MICRO*SLOT]), .sides, .weights(weights[g*MICRO*WEIGHT+:MICRO*WEIGHT])
    );
    for (genvar l = 0; l < LANES; l++) begin : g_lane
      always_ff @(posedge clock) begin
        if (steps) shifts_read[g*SHIFTS+EXPONENT*(l+1)+:EXPONENT] <= sides[l*SIDE+1+:EXPONENT];
        if (steps) lists_read[(g*LANES+l)*LIST+:LIST] <= {sides[l*SIDE+1+EXPONENT+:LIST-1], sides[l*SIDE]};
      end
    end
    always_ff @(posedge clock) if (steps) shifts_read[g*SHIFTS+:EXPONENT] <= slots[SLOTS-1-:EXPONENT];
  end

  // ---- rows: lists change with the products of a tile, which come behind its weights
  wire [ROWS-1:0] there;  // products of a vector
  wire [GROUPS*ROWS-1:0] requests;
  wire [GROUPS*ROWS*LANES*LIST-1:0] lists;
  wire [GROUPS*ROWS*PRODUCTS-1:0] products;
  wire [GROUPS*NETWORKS*ROWS-1:0] served;
  wire [GROUPS*NETWORKS*TERMS-1:0] merged;
  for (genvar r = 0; r < ROWS; r++) begin : g_row
    logic writes, swaps;
    logic signed [7:0] activation;
    logic [GROUPS*SHIFTS-1:0] next, now, shifts;
    logic [GROUPS*LANES*LIST-1:0] next_lists, now_lists;
    wire swaps_lists;
    wire [COLUMNS*2*LANE-1:0] sums_in, sums_out;
    pqk_delay #(.WIDTH(1), .STAGES(MADE)) late (.clock, .enable(steps), .d(swaps), .q(swaps_lists));
    always_ff @(posedge clock) begin
      if (steps) begin
        writes <= write && write_row == ROW'(r);
        activation <= codes[8*r+:8];
        if (writes) {next, next_lists} <= {shifts_read, lists_read};
        if (swaps) now <= next;
        if (swaps_lists) now_lists <= next_lists;
        shifts <= now;
      end
    end
    if (r == 0) begin : g_first
      assign sums_in = '0;
      assign swaps = swap;
      pqk_delay #(.WIDTH(1), .STAGES(MADE + 1)) comes (.clock, .enable(steps), .d(valid), .q(there[0]));
    end else begin : g_next
      always_ff @(posedge clock) if (steps) swaps <= g_row[r-1].swaps;
      assign sums_in = g_row[r-1].sums_out;
      pqk_delay #(.WIDTH(1), .STAGES(1)) comes (.clock, .enable(steps), .d(there[r-1]), .q(there[r]));
    end
    for (genvar g = 0; g < GROUPS; g++) begin : g_group
      localparam int AT = g * ROWS + r;
      wire [LANES*LIST-1:0] mine = now_lists[g*LANES*LIST+:LANES*LIST];
      wire [NETWORKS-1:0] by;
      for (genvar k = 0; k < NETWORKS; k++) begin : g_network
        assign by[k] = served[(g*NETWORKS+k)*ROWS+r];
      end
      assign requests[AT] = there[r] && (mine[0] || narrow && mine[LIST]);
      assign lists[AT*LANES*LIST+:LANES*LIST] = mine;
      for (genvar c = 0; c < MICRO; c++) begin : g_element
        localparam int COLUMN = g * MICRO + c;
        wire [WEIGHT-1:0] weight = weights[COLUMN*WEIGHT+:WEIGHT];
        wire [2*MARK-1:0] unused_marks;
        pqk_array_slot_element element (
            .clock, .enable(steps), .narrow, .write(writes), .swap(swaps), .slot(weight[3:0]), .marks(weight[WEIGHT-1:4]),
            .activation, .shifts(shifts[g*SHIFTS+:SHIFTS]), .products(products[AT*PRODUCTS+c*2*PRODUCT+:2*PRODUCT]),
            .marks_of_products(unused_marks)
        );
      end
      pqk_array_block_terms #(.LANE(LANE), .NETWORKS(NETWORKS)) row_terms (
          .clock, .narrow, .request(requests[AT]), .products(products[AT*PRODUCTS+:PRODUCTS]), .served(by),
          .merged(merged[g*NETWORKS*TERMS+:NETWORKS*TERMS]), .ends, .sums_in(sums_in[g*SUMS+:SUMS]), .sums(sums_out[g*SUMS+:SUMS])
      );
    end
  end
  assign sums = g_row[ROWS-1].sums_out;

  for (genvar g = 0; g < GROUPS; g++) begin : g_shared
    pqk_array_block_network #(.ROWS(ROWS), .NETWORKS(NETWORKS)) network (
        .clock, .enable(steps), .narrow, .requests(requests[g*ROWS+:ROWS]), .lists(lists[g*ROWS*LANES*LIST+:ROWS*LANES*LIST]),
        .products(products[g*ROWS*PRODUCTS+:ROWS*PRODUCTS]), .more(more[g]), .served(served[g*NETWORKS*ROWS+:NETWORKS*ROWS]),
        .terms(merged[g*NETWORKS*TERMS+:NETWORKS*TERMS])
    );
  end

  if (ROWS < 4 || COLUMNS < MICRO || COLUMNS % MICRO != 0) begin : g_illegal
    $error("four rows, and columns in groups of eight, were expected: ROWS, COLUMNS");
  end
endmodule
`default_nettype wire
