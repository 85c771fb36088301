// Fills items of memories from a stream, lowest part of an item first. `start` takes the instruction; words are taken from the next
// cycle on, and written a cycle after they are taken.
`default_nettype none
module pqk_array_load #(
    parameter int MEMORIES = 4,
    parameter bit [8*MEMORIES-1:0] PARTS = {MEMORIES{8'd1}},  // words of an item, memory 0 lowest
    parameter int STREAM = 64,
    parameter int MEMORY = 3,  // bits of the field
    parameter int ADDRESS = 16,
    parameter int COUNT = 21,
    parameter int PART = 4
) (
    input  wire                  clock,
    input  wire                  reset,
    input  wire                  start,
    output logic                 busy,
    input  wire  [   MEMORY-1:0] memory,
    input  wire  [  ADDRESS-1:0] address,
    input  wire  [    COUNT-1:0] count,
    input  wire                  in_valid,
    output logic                 in_ready,
    input  wire  [   STREAM-1:0] in_data,
    output logic [MEMORIES-1:0]  write,
    output logic [     PART-1:0] write_part,
    output logic [  ADDRESS-1:0] write_address,
    output logic [   STREAM-1:0] write_data
);
  logic [MEMORIES-1:0] chosen;
  logic [PART-1:0] part, last_part;
  logic [ADDRESS-1:0] place;
  logic [COUNT-1:0] left;  // items, with this one
  assign in_ready = busy;
  wire take = busy && in_valid;
  always_ff @(posedge clock) begin
    write <= take ? chosen : '0;
    write_part <= part;
    write_address <= place;
    write_data <= in_data;
    if (take) part <= part == last_part ? '0 : part + 1;
    if (take && part == last_part) begin
      place <= place + 1;
      left  <= left - 1;
    end
    if (start) begin
      place <= address;
      left  <= count;
      part  <= '0;
      for (int m = 0; m < MEMORIES; m++) begin
        chosen[m] <= memory == MEMORY'(m);
        if (memory == MEMORY'(m)) last_part <= PART'(PARTS[8*m+:8] - 1);
      end
    end
    if (reset) busy <= 0;
    else if (start) busy <= 1;
    else if (take && part == last_part && left == 1) busy <= 0;
  end
endmodule
`default_nettype wire
