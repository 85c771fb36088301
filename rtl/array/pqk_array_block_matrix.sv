// Rows x columns elements of the family microscopiq: items of weights come in at the columns, activations at the rows, sums go down.
// Halves of outliers are merged as rows of weights are loaded: a pqk_array_block_merge for eight columns and each width of slots serves
// all rows, and elements know of no network. With CROSSBARS halves stay apart, and each eight columns of each row have a crossbar that
// brings products of lower halves to sums of upper ones: the same sums, at the same time.
//
// An item of weights is, from its lowest bit on, a slot of four bits for each column, for eight columns each and each of two lanes the
// flag, the exponent of outliers and the list of a micro-block, and the exponent of the row's inliers. A row keeps its exponents beside
// the weights, in two banks like those.
//
// A row is written by `write_row`; `swap` makes what was written since the last one the weights of the activations from the next cycle
// on. Row r stands r cycles behind row 0, as in pqk_array_matrix; sums come ROWS + 5 cycles after the activation of row 0.
`default_nettype none
module pqk_array_block_matrix #(
    parameter int ROWS = 8,
    parameter int COLUMNS = 8,
    parameter int MODE = 1,
    parameter int LANE = 21,  // of a sum: two lanes, or one of both
    parameter bit CROSSBARS = 0,
    localparam int ROW = ROWS > 1 ? $clog2(ROWS) : 1,
    localparam int MICRO = 8,
    localparam int SLOT = 4,
    localparam int LANES = 2,
    localparam int EXPONENT = 3,
    localparam int LIST = 24,
    localparam int SIDE = 1 + EXPONENT + LIST,
    localparam int GROUPS = COLUMNS / MICRO,
    localparam int SLOTS = COLUMNS * SLOT + GROUPS * LANES * SIDE + EXPONENT
) (
    input  wire                       clock,
    input  wire [           MODE-1:0] mode,  // slots hold two weights of two bits; changes only while nothing moves
    input  wire                       write,
    input  wire [            ROW-1:0] write_row,
    input  wire [          SLOTS-1:0] slots,
    input  wire                       swap,
    input  wire [         8*ROWS-1:0] codes,
    output wire [COLUMNS*2*LANE-1:0] sums
);
  localparam int MARK = 5;
  localparam int WEIGHT = CROSSBARS ? SLOT + LANES * MARK : 10;
  localparam int PRODUCT = 19;
  localparam int SHIFTS = EXPONENT * (1 + LANES);  // of inliers, and of the outliers of both lanes of eight columns
  wire narrow = mode[0];

  // ---- edges of columns: halves become weights, or marks say which they are, a cycle later
  wire [COLUMNS*WEIGHT-1:0] weights;
  logic [GROUPS*SHIFTS-1:0] shifts_read;
  for (genvar g = 0; g < GROUPS; g++) begin : g_edge
    wire [MICRO*SLOT-1:0] stored = slots[g*MICRO*SLOT+:MICRO*SLOT];
    wire [LANES*SIDE-1:0] sides = slots[COLUMNS*SLOT+g*LANES*SIDE+:LANES*SIDE];
    for (genvar l = 0; l < LANES; l++) begin : g_exponent
      always_ff @(posedge clock) shifts_read[g*SHIFTS+EXPONENT*(l+1)+:EXPONENT] <= sides[l*SIDE+1+:EXPONENT];
    end
    always_ff @(posedge clock) shifts_read[g*SHIFTS+:EXPONENT] <= slots[SLOTS-1-:EXPONENT];
    if (CROSSBARS) begin : g_marks
      pqk_array_block_marked marked (.clock, .enable(1'b1), .slots(stored), .sides, .weights(weights[g*MICRO*WEIGHT+:MICRO*WEIGHT]));
    end else begin : g_merged
      wire [7*MICRO-1:0] wide;
      wire [5*LANES*MICRO-1:0] pairs;
      pqk_array_block_merge #(.BITS(4)) merge_wide (
          .clock, .flag(sides[0]), .places(sides[1+EXPONENT+:LIST]), .slots(stored), .weights(wide)
      );
      for (genvar l = 0; l < LANES; l++) begin : g_lane
        wire [2*MICRO-1:0] mine;
        for (genvar c = 0; c < MICRO; c++) begin : g_slot
          assign mine[2*c+:2] = stored[SLOT*c+2*l+:2];
        end
        pqk_array_block_merge #(.BITS(2)) merge_narrow (
            .clock, .flag(sides[l*SIDE]), .places(sides[l*SIDE+1+EXPONENT+:LIST]), .slots(mine), .weights(pairs[5*MICRO*l+:5*MICRO])
        );
      end
      for (genvar c = 0; c < MICRO; c++) begin : g_weight
        assign weights[(g*MICRO+c)*WEIGHT+:WEIGHT] = narrow ? {pairs[5*(MICRO+c)+:5], pairs[5*c+:5]} : WEIGHT'(wide[7*c+:7]);
      end
    end
  end

  // ---- rows: what elements shift by comes a cycle after the activation
  for (genvar r = 0; r < ROWS; r++) begin : g_row
    logic writes, swaps;
    logic signed [7:0] activation;
    logic [GROUPS*SHIFTS-1:0] next, now, shifts;
    wire [COLUMNS*2*LANE-1:0] sums_in, sums_out;
    always_ff @(posedge clock) begin
      writes <= write && write_row == ROW'(r);
      activation <= codes[8*r+:8];
      if (writes) next <= shifts_read;
      if (swaps) now <= next;
      shifts <= now;
    end
    if (r == 0) begin : g_first
      assign sums_in = '0;
      assign swaps = swap;
    end else begin : g_next
      always_ff @(posedge clock) swaps <= g_row[r-1].swaps;
      assign sums_in = g_row[r-1].sums_out;
    end
    if (CROSSBARS) begin : g_crossbars
      wire [COLUMNS*2*PRODUCT-1:0] products;
      wire [COLUMNS*2*MARK-1:0] marks;
      for (genvar c = 0; c < COLUMNS; c++) begin : g_element
        wire [WEIGHT-1:0] weight = weights[c*WEIGHT+:WEIGHT];
        pqk_array_slot_element element (
            .clock, .enable(1'b1), .narrow, .write(writes), .swap(swaps), .slot(weight[3:0]), .marks(weight[WEIGHT-1:4]), .activation,
            .shifts(shifts[c/MICRO*SHIFTS+:SHIFTS]), .products(products[c*2*PRODUCT+:2*PRODUCT]),
            .marks_of_products(marks[c*2*MARK+:2*MARK])
        );
      end
      for (genvar g = 0; g < GROUPS; g++) begin : g_group
        localparam int P = 2 * PRODUCT * MICRO, M = 2 * MARK * MICRO, S = 2 * LANE * MICRO;
        pqk_array_block_crossbar #(.LANE(LANE)) crossbar (
            .clock, .narrow, .products(products[g*P+:P]), .marks(marks[g*M+:M]), .sums_in(sums_in[g*S+:S]), .sums(sums_out[g*S+:S])
        );
      end
    end else begin : g_elements
      for (genvar c = 0; c < COLUMNS; c++) begin : g_element
        pqk_array_block_element #(.LANE(LANE), .BEHIND(1)) element (
            .clock, .narrow, .write(writes), .swap(swaps), .weight(weights[c*WEIGHT+:WEIGHT]), .activation, .of_outliers('0),
            .shifts(shifts[c/MICRO*SHIFTS+:SHIFTS]), .sum_in(sums_in[c*2*LANE+:2*LANE]), .sum(sums_out[c*2*LANE+:2*LANE])
        );
      end
    end
  end
  assign sums = g_row[ROWS-1].sums_out;

  if (ROWS < 1 || COLUMNS < MICRO || COLUMNS % MICRO != 0) begin : g_illegal
    $error("columns in groups of eight were expected: COLUMNS");
  end
endmodule
`default_nettype wire
