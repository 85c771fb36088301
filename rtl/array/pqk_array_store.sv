// Sends words of the activations, `step` apart, to a stream, each as PARTS words of it, lowest first. A word is asked for only where there is room
// for all that is on its way, so what comes is always taken. Rows come one cycle after the other, and wait for the last one here.
`default_nettype none
module pqk_array_store #(
    parameter int ROWS = 8,
    parameter int ADDRESS = 13,
    parameter int COUNT = 21,
    parameter int STREAM = 64,
    parameter int ROOM = 32,  // words of the queue behind
    localparam int PARTS = (8 * ROWS + STREAM - 1) / STREAM,
    localparam int PART = PARTS > 1 ? $clog2(PARTS) : 1
) (
    input  wire               clock,
    input  wire               reset,
    input  wire               start,
    output logic              busy,
    input  wire  [ADDRESS-1:0] address,
    input  wire  [  COUNT-1:0] count,
    input  wire  [ADDRESS-1:0] step,
    output logic               read,
    output logic [ADDRESS-1:0] read_address,
    input  wire  [ 8*ROWS-1:0] codes,  // row r a cycle and r more after `read`
    input  wire                taken,  // a word from the queue
    input  wire                other,  // a word that something else gives to the queue
    output logic               full,  // for others
    output logic               out_valid,
    output logic [ STREAM-1:0] out_data,
    output logic               out_last
);
  logic asks;
  logic [ADDRESS-1:0] step_l;
  logic [COUNT-1:0] left;
  logic [PART-1:0] pause;
  logic [$clog2(ROOM+1)-1:0] room;
  assign read = asks && pause == 0 && room >= ($clog2(ROOM + 1))'(PARTS);
  assign full = room == 0;
  wire final_read = read && left == 1;
  always_ff @(posedge clock) begin
    if (read) begin
      left <= left - 1'b1;
      read_address <= read_address + step_l;
    end
    pause <= read ? PART'(PARTS - 1) : pause == 0 ? '0 : pause - 1'b1;
    if (start) begin
      left <= count;
      read_address <= address;
      step_l <= step;
      pause <= '0;
    end
    if (reset) begin
      asks <= 0;
      room <= ($clog2(ROOM + 1))'(ROOM);
    end else begin
      if (start) asks <= 1;
      else if (final_read) asks <= 0;
      room <= room - (read ? ($clog2(ROOM + 1))'(PARTS) : '0) - ($clog2(ROOM + 1))'(other) + ($clog2(ROOM + 1))'(taken);
    end
  end

  wire [8*ROWS-1:0] word;
  for (genvar r = 0; r < ROWS; r++) begin : g_row
    pqk_delay #(.WIDTH(8), .STAGES(ROWS - 1 - r)) together (.clock, .enable(1'b1), .d(codes[8*r+:8]), .q(word[8*r+:8]));
  end
  logic [ROWS-1:0] coming, last_coming;
  logic [PARTS*STREAM-1:0] parts;
  logic [PARTS-1:0] there;  // of the parts, the next one lowest
  logic ends;
  assign out_valid = there[0];
  assign out_data = parts[STREAM-1:0];
  assign out_last = ends && there == 1;
  always_ff @(posedge clock) begin
    coming <= reset ? '0 : ROWS'({coming, read});
    last_coming <= ROWS'({last_coming, final_read});
    parts <= coming[ROWS-1] ? (PARTS * STREAM)'(word) : (PARTS * STREAM)'({{STREAM{1'b0}}, parts} >> STREAM);
    there <= reset ? '0 : coming[ROWS-1] ? '1 : PARTS'({1'b0, there} >> 1);
    if (coming[ROWS-1]) ends <= last_coming[ROWS-1];
    if (reset) busy <= 0;
    else if (start) busy <= 1;
    else if (out_last) busy <= 0;
  end
endmodule
`default_nettype wire
