// Fills a table from items of the table memory, an entry a cycle. TABLES says how many entries an item has, by table.
`default_nettype none
module pqk_array_fill #(
    parameter int ADDRESS = 13,
    parameter int COUNT = 21,
    parameter int ITEM = 64,
    parameter int TABLES = 4,
    parameter int CHOICE = 2,
    parameter bit [4*TABLES-1:0] ENTRIES = 16'h8144  // of an item, table 0 lowest: 1, 4 or 8
) (
    input  wire                clock,
    input  wire                reset,
    input  wire                start,
    output logic               busy,
    input  wire  [        2:0] table_number,
    input  wire  [ CHOICE-1:0] choice,
    input  wire  [ADDRESS-1:0] address,
    input  wire  [  COUNT-1:0] count,
    output logic [ADDRESS-1:0] read_address,
    input  wire  [   ITEM-1:0] item,  // a cycle after its address
    output logic [ TABLES-1:0] write,
    output logic [ CHOICE-1:0] table_choice,  // stays until the last entry is written
    output logic [        7:0] index,
    output logic [   ITEM-1:0] entry  // the table's in its lowest bits
);
  logic works, ends;
  logic [COUNT-1:0] left;
  logic [2:0] part, part_held;
  logic [3:0] entries;
  logic [TABLES-1:0] chosen, writes;
  logic [7:0] place, place_held;
  logic last_held;
  wire part_ends = 4'(part) + 1'b1 == entries;
  assign ends = part_ends && left == 1;
  always_ff @(posedge clock) begin
    if (works) begin
      part  <= part_ends ? '0 : part + 1'b1;
      place <= place + 1'b1;
      if (part_ends) begin
        left <= left - 1'b1;
        read_address <= read_address + 1'b1;
      end
    end
    if (start) begin
      {left, read_address, part, place} <= {count, address, 3'b0, 8'b0};
      table_choice <= choice;
      for (int t = 0; t < TABLES; t++) begin
        chosen[t] <= table_number == 3'(t);
        if (table_number == 3'(t)) entries <= ENTRIES[4*t+:4];
      end
    end
    writes <= works && !reset ? chosen : '0;
    {part_held, place_held, last_held} <= {part, place, works && ends};
    write <= writes;
    index <= place_held;
    entry <= entries[3] ? item >> (8 * part_held) : entries[2] ? item >> (16 * part_held) : item;
    if (reset) {works, busy} <= '0;
    else if (start) begin
      {works, busy} <= 2'b11;
    end else begin
      if (works && ends) works <= 0;
      if (last_held) busy <= 0;
    end
  end
endmodule
`default_nettype wire
