// Edge of the family lp, one a row: a code of an activation to {zero, negative, logarithm} by a table that is loaded, so that a format
// is data. The number comes a cycle after the code.
`default_nettype none
module pqk_array_lp_activation #(
    parameter int LOG = 11,
    parameter int BITS = 8,  // of a code
    parameter MEMORY = "block",
    localparam int ENTRY = LOG + 2
) (
    input  wire              clock,
    input  wire              write,
    input  wire  [      7:0] index,  // what the table has no code for is left out
    input  wire  [ENTRY-1:0] entry,
    input  wire  [ BITS-1:0] code,
    output logic [ENTRY-1:0] number
);
  pqk_array_memory #(.WIDTH(ENTRY), .DEPTH(2 ** BITS), .MEMORY(MEMORY)) numbers (
      .clock, .write(write && index >> BITS == 0), .write_address(index[BITS-1:0]), .write_data(entry), .read(1'b1), .address(code), .data(number)
  );
endmodule
`default_nettype wire
