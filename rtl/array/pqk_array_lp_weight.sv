// Edge of the family lp, one a column: a slot of eight bits to what pqk_array_lp_element keeps of it, a cycle later.
//
//     quarters         four weights of two bits, 0, 1 and -1 for the codes 0, 1 and 3 of every such format
//     halves           two weights of four bits, both by the first 16 entries of the table
//     neither          one weight of eight bits
//
// A weight of half the segments or of all of them says the same to each of its segments.
`default_nettype none
module pqk_array_lp_weight #(
    parameter int LOG = 11,
    parameter int LOG_1 = 7,  // highest bits of a logarithm that the second of two weights keeps; 0: one weight of eight bits alone
    parameter int SEGMENTS = 4,
    parameter int BITS = 8,  // of a code that a table knows; 4 without weights of eight bits
    parameter int TABLES = 1,
    parameter MEMORY = "block",
    localparam int CHOICE = TABLES > 1 ? $clog2(TABLES) : 1,
    localparam int PLACE = TABLES > 1 ? CHOICE : 0,
    localparam int ENTRY = LOG + 2,
    localparam int WEIGHT = 2 * SEGMENTS + LOG + LOG_1
) (
    input  wire               clock,
    input  wire               quarters,
    input  wire               halves,
    input  wire               write,
    input  wire  [CHOICE-1:0] write_choice,  // the table that is written, and the one that is read
    input  wire  [CHOICE-1:0] choice,
    input  wire  [       7:0] index,
    input  wire  [ ENTRY-1:0] entry,  // {zero, negative, logarithm}
    input  wire  [       7:0] slot,
    output logic [WEIGHT-1:0] weight
);
  localparam int HALF = SEGMENTS > 1 ? SEGMENTS / 2 : 1;
  wire [BITS-1:0] code = halves ? BITS'(slot[3:0]) : slot[BITS-1:0];
  wire [ENTRY-1:0] first;
  pqk_array_memory #(.WIDTH(ENTRY), .DEPTH(TABLES * 2 ** BITS), .MEMORY(MEMORY)) numbers (
      .clock, .write(write && index >> BITS == 0), .write_address((BITS + PLACE)'({write_choice, index[BITS-1:0]})), .write_data(entry),
      .read(1'b1), .address((BITS + PLACE)'({choice, code})), .data(first)
  );
  logic [7:0] held;
  always_ff @(posedge clock) held <= slot;

  wire [SEGMENTS-1:0] there, negative;
  wire [LOG-1:0] log_0 = quarters ? '0 : first[LOG-1:0];
  if (LOG_1 > 0) begin : g_second
    wire [LOG_1+1:0] second;
    pqk_array_memory #(.WIDTH(LOG_1 + 2), .DEPTH(TABLES * 16), .MEMORY("lut")) numbers_of_four_bits (
        .clock, .write(write && index[7:4] == 0), .write_address((4 + PLACE)'({write_choice, index[3:0]})),
        .write_data(entry[ENTRY-1-:LOG_1+2]), .read(1'b1), .address((4 + PLACE)'({choice, slot[7:4]})), .data(second)
    );
    for (genvar s = 0; s < SEGMENTS; s++) begin : g_segment
      if (SEGMENTS > 2) begin : g_quarters
        assign there[s] = quarters ? held[2*s] : s < HALF ? !first[LOG+1] : halves && !second[LOG_1+1];
        assign negative[s] = quarters ? held[2*s+1] : s < HALF ? first[LOG] : second[LOG_1];
      end else begin : g_halves
        assign there[s] = s < HALF ? !first[LOG+1] : halves && !second[LOG_1+1];
        assign negative[s] = s < HALF ? first[LOG] : second[LOG_1];
      end
    end
    assign weight = {second[LOG_1-1:0], log_0, negative, there};
  end else begin : g_one
    assign there = !first[LOG+1];
    assign negative = first[LOG];
    assign weight = {log_0, negative, there};
  end
  wire unused = &{index, held, slot, halves, quarters};
endmodule
`default_nettype wire
