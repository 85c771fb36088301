// Edge of the family integer, one a row and one a column: a slot of eight bits to the digits that the four products of an element take,
// a cycle later. Each nibble of the slot is two digits by a table of its own that is loaded, so that a format is data: integers of two,
// four and eight bits, signed or not, odd levels, minifloats of four bits. Product i takes digit choice[2*i+1:2*i], with `high` that of
// the other nibble.
`default_nettype none
module pqk_array_integer_digits #(
    parameter int TABLES = 1,
    localparam int CHOICE = TABLES > 1 ? $clog2(TABLES) : 1,
    localparam int PLACE = 4 + (TABLES > 1 ? CHOICE : 0),
    localparam int DIGIT = 3,
    localparam int PRODUCTS = 4
) (
    input  wire                       clock,
    input  wire                       write,
    input  wire  [        CHOICE-1:0] write_choice,  // the tables that are written, and those that are read
    input  wire  [        CHOICE-1:0] table_choice,
    input  wire  [               4:0] index,  // {nibble, code}
    input  wire  [       2*DIGIT-1:0] entry,  // {higher digit, lower digit}
    input  wire  [    2*PRODUCTS-1:0] choice,
    input  wire                       high,
    input  wire  [               7:0] slot,
    output logic [DIGIT*PRODUCTS-1:0] digits
);
  wire [DIGIT*PRODUCTS-1:0] found;
  for (genvar nibble = 0; nibble < 2; nibble++) begin : g_nibble
    (* ram_style = "distributed" *) logic [2*DIGIT-1:0] pairs[16*TABLES];
    always_ff @(posedge clock) if (write && index[4] == 1'(nibble)) pairs[PLACE'({write_choice, index[3:0]})] <= entry;
    assign found[2*DIGIT*nibble+:2*DIGIT] = pairs[PLACE'({table_choice, slot[4*nibble+:4]})];
  end
  for (genvar i = 0; i < PRODUCTS; i++) begin : g_product
    wire [1:0] chosen = {choice[2*i+1] ^ high, choice[2*i]};
    always_ff @(posedge clock) digits[DIGIT*i+:DIGIT] <= found[DIGIT*chosen+:DIGIT];
  end
endmodule
`default_nettype wire
