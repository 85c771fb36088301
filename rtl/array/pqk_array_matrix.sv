// Rows x columns processing elements of one family with their edges: slots of weights come in at the columns and stay, codes of
// activations at the rows, sums go down.
//
// A row of weights is written by `write_row`; `swap` makes what was written since the last one the weights of the activations from the
// next cycle on. Row r stands r cycles behind row 0: its activation has to come so much later, `swap` is delayed here. The sums of
// the activations that row 0 took come LATENCY cycles later at all columns.
`default_nettype none
module pqk_array_matrix #(
    parameter FAMILY = "lp",
    parameter int ROWS = 8,
    parameter int COLUMNS = 8,
    parameter int MODE = 2,  // bits; lp: {halves, quarters}, integer: {scales, weights' choice, activations' choice} of 3, 8, 8
    parameter int ENTRY = 13,  // bits of an entry of a table
    parameter int TABLES = 1,  // of activations, and as many of weights
    parameter int SEGMENTS = 4,  // of a sum, and their bits; one for integers
    parameter int SEGMENT = 28,
    parameter int LOG = 11,  // these are for the family lp
    parameter int FRACTION = 6,
    parameter int LOG_1 = 7,
    parameter int FRACTION_1 = 2,
    parameter bit [(8<<FRACTION)-1:0] SIGNIFICANDS = '0,
    parameter int W = 40,
    parameter int W_1 = 32,
    parameter int WEIGHT_BITS = 8,  // of the widest code of a weight
    parameter int ACTIVATION_BITS = 8,
    parameter MEMORY = "block",
    localparam int ROW = ROWS > 1 ? $clog2(ROWS) : 1,
    localparam int CHOICE = TABLES > 1 ? $clog2(TABLES) : 1,
    localparam int SUM = SEGMENTS * SEGMENT
) (
    input  wire                    clock,
    input  wire [        MODE-1:0] mode,  // changes only while nothing moves
    input  wire                    weight_high,  // integer: of the weights and activations that come, as for pqk_array_integer_digits
    input  wire                    activation_high,
    input  wire [      CHOICE-1:0] weight_table,  // those that multiply; they change only while nothing moves
    input  wire [      CHOICE-1:0] activation_table,
    input  wire                    table_write,
    input  wire                    table_of_weights,
    input  wire [      CHOICE-1:0] table_choice,
    input  wire [             7:0] table_index,
    input  wire [       ENTRY-1:0] table_entry,
    input  wire                    write,
    input  wire [         ROW-1:0] write_row,
    input  wire [   8*COLUMNS-1:0] slots,
    input  wire                    swap,
    input  wire [      8*ROWS-1:0] codes,
    output logic [COLUMNS*SUM-1:0] sums
);
  /* verilator lint_off WIDTHEXPAND */
  localparam bit LP = FAMILY == "lp";
  localparam bit KNOWN = LP || FAMILY == "integer";
  /* verilator lint_on WIDTHEXPAND */
  localparam int WEIGHT = LP ? 2 * SEGMENTS + LOG + LOG_1 : 12;
  localparam int ACTIVATION = LP ? LOG + 2 : 12;

  wire [COLUMNS*WEIGHT-1:0] weights;
  logic [ROWS-1:0] writes, swaps;  // a cycle later, as what the edges make of slots and codes
  for (genvar r = 0; r < ROWS; r++) begin : g_row
    wire [ACTIVATION-1:0] activation;
    wire [COLUMNS*SUM-1:0] sums_in, sums_out;
    always_ff @(posedge clock) writes[r] <= write && write_row == ROW'(r);
    if (r == 0) begin : g_first
      assign sums_in = '0;
      assign swaps[0] = swap;
    end else begin : g_next
      logic swapped;
      always_ff @(posedge clock) swapped <= swaps[r-1];
      assign sums_in  = g_row[r-1].sums_out;
      assign swaps[r] = swapped;
    end
    if (LP) begin : g_lp
      pqk_array_lp_activation #(.LOG(LOG), .BITS(ACTIVATION_BITS), .TABLES(TABLES), .MEMORY(MEMORY)) edge_of_row (
          .clock, .write(table_write && !table_of_weights), .write_choice(table_choice), .index(table_index), .entry(table_entry),
          .choice(activation_table), .code(codes[8*r+:ACTIVATION_BITS]), .number(activation)
      );
    end else begin : g_integer
      pqk_array_integer_digits #(.TABLES(TABLES)) edge_of_row (
          .clock, .write(table_write && !table_of_weights), .write_choice(table_choice), .index(table_index[4:0]), .entry(table_entry),
          .table_choice(activation_table), .choice(mode[7:0]), .high(activation_high), .slot(codes[8*r+:8]), .digits(activation)
      );
    end
    for (genvar c = 0; c < COLUMNS; c++) begin : g_element
      if (LP) begin : g_lp
        pqk_array_lp_element #(
            .LOG(LOG), .FRACTION(FRACTION), .LOG_1(LOG_1), .FRACTION_1(FRACTION_1), .SIGNIFICANDS(SIGNIFICANDS), .W(W), .W_1(W_1),
            .SEGMENTS(SEGMENTS), .SEGMENT(SEGMENT)
        ) element (
            .clock, .quarters(mode[0]), .write(writes[r]), .swap(swaps[r]), .weight(weights[c*WEIGHT+:WEIGHT]), .activation,
            .sum_in(sums_in[c*SUM+:SUM]), .sum(sums_out[c*SUM+:SUM])
        );
      end else begin : g_integer
        pqk_array_integer_element #(.SUM(SUM)) element (
            .clock, .mode(mode[18:16]), .write(writes[r]), .swap(swaps[r]), .weight(weights[c*WEIGHT+:WEIGHT]), .activation,
            .sum_in(sums_in[c*SUM+:SUM]), .sum(sums_out[c*SUM+:SUM])
        );
      end
    end
  end
  assign sums = g_row[ROWS-1].sums_out;

  for (genvar c = 0; c < COLUMNS; c++) begin : g_column
    if (LP) begin : g_lp
      pqk_array_lp_weight #(
          .LOG(LOG), .LOG_1(LOG_1), .SEGMENTS(SEGMENTS), .BITS(WEIGHT_BITS), .TABLES(TABLES), .MEMORY(MEMORY)
      ) edge_of_column (
          .clock, .quarters(mode[0]), .halves(mode[1]), .write(table_write && table_of_weights), .write_choice(table_choice),
          .choice(weight_table), .index(table_index), .entry(table_entry), .slot(slots[8*c+:8]), .weight(weights[c*WEIGHT+:WEIGHT])
      );
    end else begin : g_integer
      pqk_array_integer_digits #(.TABLES(TABLES)) edge_of_column (
          .clock, .write(table_write && table_of_weights), .write_choice(table_choice), .index(table_index[4:0]), .entry(table_entry),
          .table_choice(weight_table), .choice(mode[15:8]), .high(weight_high), .slot(slots[8*c+:8]), .digits(weights[c*WEIGHT+:WEIGHT])
      );
    end
  end
  wire unused = &{table_index, codes, weight_high, activation_high, mode};

  if (ROWS < 1 || COLUMNS < 1 || !KNOWN) begin : g_illegal
    $error("an element at least, of family lp or integer, was expected: FAMILY, ROWS, COLUMNS");
  end
endmodule
`default_nettype wire
