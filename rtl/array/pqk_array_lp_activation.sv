// Edge of the family lp, one a row: a code of an activation to {zero, negative, logarithm} by one of the tables that are loaded, so that
// a format is data. The number comes a cycle after the code.
`default_nettype none
module pqk_array_lp_activation #(
    parameter int LOG = 11,
    parameter int BITS = 8,  // of a code
    parameter int TABLES = 1,
    parameter MEMORY = "block",
    localparam int CHOICE = TABLES > 1 ? $clog2(TABLES) : 1,
    localparam int PLACE = BITS + (TABLES > 1 ? CHOICE : 0),
    localparam int ENTRY = LOG + 2
) (
    input  wire              clock,
    input  wire              write,
    input  wire [CHOICE-1:0] write_choice,  // the table that is written, and the one that is read
    input  wire [CHOICE-1:0] choice,
    input  wire  [      7:0] index,  // what the table has no code for is left out
    input  wire  [ENTRY-1:0] entry,
    input  wire  [ BITS-1:0] code,
    output logic [ENTRY-1:0] number
);
  pqk_array_memory #(.WIDTH(ENTRY), .DEPTH(TABLES * 2 ** BITS), .MEMORY(MEMORY)) numbers (
      .clock, .write(write && index >> BITS == 0), .write_address(PLACE'({write_choice, index[BITS-1:0]})), .write_data(entry),
      .read(1'b1), .address(PLACE'({choice, code})), .data(number)
  );
endmodule
`default_nettype wire
