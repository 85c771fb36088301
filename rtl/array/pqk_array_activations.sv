// Activations, a memory a row of elements. Row r reads r steps after row 0, as the sums come to it; a step after its address a row has
// its slot, or `pad` in all of them where the position lies outside of the tensor. A step is a cycle with `enable`. PARTS parts of a
// slot are written separately.
`default_nettype none
module pqk_array_activations #(
    parameter int ROWS = 8,
    parameter int DEPTH = 8192,
    parameter int PARTS = 1,
    parameter MEMORY = "block",
    localparam int ADDRESS = $clog2(DEPTH)
) (
    input  wire                     clock,
    input  wire                     enable,
    input  wire [      ADDRESS-1:0] address,
    input  wire                     outside,
    input  wire [              7:0] pad,
    output logic [      8*ROWS-1:0] codes,
    input  wire [   ROWS*PARTS-1:0] write,
    input  wire [ ROWS*ADDRESS-1:0] write_address,
    input  wire [       8*ROWS-1:0] write_data
);
  localparam int BITS = 8 / PARTS;
  for (genvar r = 0; r < ROWS; r++) begin : g_row
    logic [ADDRESS-1:0] at;
    logic beyond, blank;
    wire [7:0] slot;
    if (r == 0) begin : g_first
      assign {at, beyond} = {address, outside};
    end else begin : g_next
      always_ff @(posedge clock) if (enable) {at, beyond} <= {g_row[r-1].at, g_row[r-1].beyond};
    end
    for (genvar p = 0; p < PARTS; p++) begin : g_part
      pqk_array_memory #(.WIDTH(BITS), .DEPTH(DEPTH), .MEMORY(MEMORY)) memory (
          .clock, .write(write[r*PARTS+p]), .write_address(write_address[r*ADDRESS+:ADDRESS]),
          .write_data(write_data[8*r+p*BITS+:BITS]), .read(enable), .address(at), .data(slot[p*BITS+:BITS])
      );
    end
    always_ff @(posedge clock) if (enable) blank <= beyond;
    assign codes[8*r+:8] = blank ? pad : slot;
  end
endmodule
`default_nettype wire
