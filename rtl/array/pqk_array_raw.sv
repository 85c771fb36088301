// Sends scaled sums to a stream: those of the columns that are kept of each lane, once the last of them is there. `sent` comes with the
// last word of a lane.
`default_nettype none
module pqk_array_raw #(
    parameter int COLUMNS = 8,
    parameter int SERVED = 4,
    parameter int Y = 64,
    parameter int SIZE = 10,
    localparam int PHASE = $clog2(SERVED),
    localparam int PROCESSORS = (COLUMNS + SERVED - 1) / SERVED,
    localparam int COLUMN = $clog2(PROCESSORS * SERVED)
) (
    input  wire                     clock,
    input  wire                     reset,
    input  wire                     start,
    input  wire  [        SIZE-1:0] channels,  // fields of the instruction, taken by `start`
    input  wire  [             3:0] lanes,
    input  wire                     valid,
    input  wire  [       PHASE-1:0] phase,
    input  wire                     ends,  // the last lane of the last position
    input  wire  [PROCESSORS*Y-1:0] y,
    output logic                    out_valid,
    input  wire                     out_ready,
    output logic [           Y-1:0] out_data,
    output logic                    out_last,
    output logic                    sent
);
  logic [SIZE-1:0] channels_l, left;
  logic [3:0] lanes_l, lane;
  logic reads, last_lane, final_word;
  logic [COLUMN-1:0] column, column_out;
  wire [PROCESSORS*Y-1:0] found;
  wire complete = valid && phase == PHASE'(SERVED - 1);
  wire move = out_ready || !out_valid;
  wire column_ends = column == COLUMN'(COLUMNS - 1) || SIZE'(column) + 1'b1 == left;
  for (genvar p = 0; p < PROCESSORS; p++) begin : g_processor
    pqk_array_memory #(.WIDTH(Y), .DEPTH(SERVED), .MEMORY("lut")) scaled (
        .clock, .write(valid), .write_address(phase), .write_data(y[p*Y+:Y]), .read(move),
        .address(column[PHASE-1:0]), .data(found[p*Y+:Y])
    );
  end
  if (PROCESSORS > 1) begin : g_choice
    assign out_data = found[column_out[COLUMN-1:PHASE]*Y+:Y];
  end else begin : g_one
    assign out_data = found;
  end
  assign out_last = last_lane && final_word;
  assign sent = out_valid && out_ready && final_word;
  wire lane_ends = lane + 1'b1 == lanes_l;
  always_ff @(posedge clock) begin
    if (start) {channels_l, lanes_l, left, lane} <= {channels, lanes, channels, 4'b0};
    if (complete) begin
      column <= '0;
      last_lane <= ends;
    end
    if (move) begin
      column_out <= column;
      final_word <= column_ends;
      if (reads) column <= column + 1'b1;
    end
    if (sent) begin
      lane <= lane_ends ? '0 : lane + 1'b1;
      left <= lane_ends ? channels_l : left - SIZE'(COLUMNS);
    end
    if (reset) {reads, out_valid} <= '0;
    else begin
      if (complete) reads <= 1;
      else if (move && column_ends) reads <= 0;
      if (move) out_valid <= reads;
    end
  end
  wire unused = &column_out;
endmodule
`default_nettype wire
