// A memory of words that are written whole and read a cycle after their address; what is written is read from the next cycle on.
`default_nettype none
module pqk_array_memory #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 2,
    parameter MEMORY = "auto",  // "lut", "block", or left to the tool
    localparam int ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  wire                     clock,
    input  wire                     write,
    input  wire  [ADDRESS_BITS-1:0] write_address,
    input  wire  [       WIDTH-1:0] write_data,
    input  wire                     read,
    input  wire  [ADDRESS_BITS-1:0] address,
    output logic [       WIDTH-1:0] data
);
  /* verilator lint_off UNUSEDPARAM */
  /* verilator lint_off WIDTHEXPAND */
  localparam RAM_STYLE = MEMORY == "lut" ? "distributed" : MEMORY;
  /* verilator lint_on UNUSEDPARAM */
  /* verilator lint_on WIDTHEXPAND */
  (* ram_style = RAM_STYLE *) logic [WIDTH-1:0] words[DEPTH];
  always_ff @(posedge clock) begin
    if (write) words[write_address] <= write_data;
    if (read) data <= words[address];
  end

  if (WIDTH < 1 || DEPTH < 1) begin : g_illegal
    $error("a word at least was expected: WIDTH, DEPTH");
  end
endmodule
`default_nettype wire
