// Where codes of results go: rows, words and planes of the activations, SERVED columns of each post-processor one after the other.
// What a LOAD writes goes through here, too, since both never work at a time. `valid` and `phase` come a cycle before the codes, so
// that places are known when those come.
`default_nettype none
module pqk_array_codes #(
    parameter int ROWS = 8,
    parameter int COLUMNS = 8,
    parameter int SERVED = 4,
    parameter int PARTS = 1,  // of a slot that are written separately: 4, or 1 where slots hold one code
    parameter int ADDRESS = 13,
    parameter int SIZE = 10,
    parameter int STREAM = 64,
    localparam int PHASE = $clog2(SERVED),
    localparam int PROCESSORS = (COLUMNS + SERVED - 1) / SERVED,
    localparam int ROW = $clog2(ROWS)
) (
    input  wire                      clock,
    input  wire                      start,
    input  wire  [      ADDRESS-1:0] base,  // fields of the instruction, taken by `start`
    input  wire  [      ADDRESS-1:0] step_row,
    input  wire  [      ADDRESS-1:0] step_column,
    input  wire  [         SIZE-1:0] columns,
    input  wire  [              3:0] lanes,
    input  wire  [          ROW-1:0] slot,
    input  wire  [              2:0] plane,
    input  wire  [              2:0] planes,
    input  wire  [              3:0] code_bits,
    input  wire  [         SIZE-1:0] channels,
    input  wire                      valid,
    input  wire  [        PHASE-1:0] phase,
    input  wire  [ 8*PROCESSORS-1:0] codes,
    input  wire                      load,
    input  wire  [      ADDRESS-1:0] load_address,
    input  wire  [              3:0] load_part,
    input  wire  [       STREAM-1:0] load_data,
    output logic [   ROWS*PARTS-1:0] write,
    output logic [ ROWS*ADDRESS-1:0] write_address,
    output logic [       8*ROWS-1:0] write_data
);
  logic [ADDRESS-1:0] step_row_l, step_column_l, at_row, at, word;  // of a row of positions, a position, a lane
  logic [SIZE-1:0] columns_l, channels_l, x, left;
  logic [3:0] lanes_l, code_bits_l, lane;
  logic [2:0] plane_l, planes_l, at_plane;
  logic [ROW-1:0] slot_l, at_slot;

  // Compared a cycle before they are looked at: both stay for a whole step.
  logic lane_ends, x_ends;
  always_ff @(posedge clock) {lane_ends, x_ends} <= {lane + 1'b1 == lanes_l, x + 1'b1 == columns_l};
  wire [ADDRESS-1:0] at_next = x_ends ? at_row + step_row_l : at + step_column_l;
  wire [2:0] plane_above = at_plane + 1'b1;
  wire full = plane_above == planes_l;
  wire [2:0] next_plane = full ? '0 : plane_above;
  wire [ADDRESS-1:0] next_word = full ? word + 1'b1 : word;
  wire [ROW+1:0] slots = (ROW + 2)'(at_slot) + (ROW + 2)'(COLUMNS);
  wire over = slots >= (ROW + 2)'(ROWS);
  always_ff @(posedge clock) begin
    if (start) begin
      {step_row_l, step_column_l, columns_l, lanes_l} <= {step_row, step_column, columns, lanes};
      {slot_l, plane_l, planes_l, code_bits_l, channels_l} <= {slot, plane, planes, code_bits, channels};
      {at_row, at, word} <= {3{base}};
      {x, lane} <= '0;
      {at_slot, at_plane, left} <= {slot, plane, channels};
    end else if (valid && phase == PHASE'(SERVED - 1)) begin
      lane <= lane_ends ? '0 : lane + 1'b1;
      left <= left > SIZE'(COLUMNS) ? left - SIZE'(COLUMNS) : '0;
      at_slot <= over ? ROW'(slots - (ROW + 2)'(ROWS)) : ROW'(slots);
      if (over) {at_plane, word} <= {next_plane, next_word};
      if (lane_ends) begin
        {at_slot, at_plane, left} <= {slot_l, plane_l, channels_l};
        {at, word} <= {2{at_next}};
        x <= x_ends ? '0 : x + 1'b1;
        if (x_ends) at_row <= at_next;
      end
    end
  end

  // ---- which row a column's code goes to, in this word and plane or the next ones
  logic [PROCESSORS-1:0] kept, wraps;
  logic [PROCESSORS*ROW-1:0] rows;
  logic [ADDRESS-1:0] here, behind;
  always_ff @(posedge clock) {here, behind} <= {word, next_word};
  logic [7:0] parts;  // of a slot that are written, {in the next plane, in this one}
  for (genvar i = 0; i < 2; i++) begin : g_plane
    wire [1:0] in_plane = i == 0 ? at_plane[1:0] : next_plane[1:0];
    wire [3:0] half = in_plane[0] ? 4'b1100 : 4'b0011;
    always_ff @(posedge clock) parts[4*i+:4] <= code_bits_l[3] ? 4'b1111 : code_bits_l[2] ? half : 4'b1 << in_plane;
  end
  for (genvar p = 0; p < PROCESSORS; p++) begin : g_processor
    wire [ROW+1:0] column = (ROW + 2)'(p * SERVED) + (ROW + 2)'(phase);
    wire [ROW+1:0] row = (ROW + 2)'(at_slot) + column;
    wire above = row >= (ROW + 2)'(ROWS);
    always_ff @(posedge clock) begin
      kept[p] <= valid && SIZE'(column) < left && column < (ROW + 2)'(COLUMNS);
      wraps[p] <= above;
      rows[p*ROW+:ROW] <= ROW'(above ? row - (ROW + 2)'(ROWS) : row);
    end
  end
  for (genvar r = 0; r < ROWS; r++) begin : g_row
    localparam int PART = 8 * r / STREAM;
    logic mine, wrapped;
    logic [7:0] code;
    always_comb begin
      {mine, wrapped, code} = '0;
      for (int p = 0; p < PROCESSORS; p++) begin
        if (kept[p] && rows[p*ROW+:ROW] == ROW'(r)) begin
          mine = 1;
          wrapped = wraps[p];
          code = codes[8*p+:8];
        end
      end
    end
    wire mine_loaded = load && load_part == 4'(PART);
    always_ff @(posedge clock) write_address[r*ADDRESS+:ADDRESS] <= load ? load_address : wrapped ? behind : here;
    if (PARTS == 1) begin : g_code
      always_ff @(posedge clock) begin
        write[r] <= mine || mine_loaded;
        write_data[8*r+:8] <= load ? load_data[8*r%STREAM+:8] : code;
      end
    end else begin : g_codes
      wire [3:0] chosen = wrapped ? parts[7:4] : parts[3:0];
      wire [7:0] repeated = code_bits_l[3] ? code : code_bits_l[2] ? {2{code[3:0]}} : {4{code[1:0]}};
      always_ff @(posedge clock) begin
        write[4*r+:4] <= chosen & {4{mine}} | {4{mine_loaded}};
        write_data[8*r+:8] <= load ? load_data[8*r%STREAM+:8] : repeated;
      end
    end
  end
  wire unused = &{load_data, code_bits_l, parts};
endmodule
`default_nettype wire
