// A memory of items that come in parts, each a word of a stream, and are read whole, a cycle after their address.
`default_nettype none
module pqk_array_items #(
    parameter int WIDTH = 256,  // of an item
    parameter int PART = 64,  // of what is written at a time
    parameter int DEPTH = 2,
    parameter MEMORY = "block",
    localparam int PARTS = (WIDTH + PART - 1) / PART,
    localparam int PART_BITS = PARTS > 1 ? $clog2(PARTS) : 1,
    localparam int ADDRESS_BITS = $clog2(DEPTH)
) (
    input  wire                     clock,
    input  wire                     write,
    input  wire  [   PART_BITS-1:0] write_part,
    input  wire  [ADDRESS_BITS-1:0] write_address,
    input  wire  [        PART-1:0] write_data,
    input  wire                     read,
    input  wire  [ADDRESS_BITS-1:0] address,
    output logic [       WIDTH-1:0] data
);
  for (genvar p = 0; p < PARTS; p++) begin : g_part
    localparam int BITS = WIDTH - p * PART < PART ? WIDTH - p * PART : PART;
    pqk_array_memory #(.WIDTH(BITS), .DEPTH(DEPTH), .MEMORY(MEMORY)) part (
        .clock, .write(write && write_part == PART_BITS'(p)), .write_address, .write_data(write_data[BITS-1:0]),
        .read, .address, .data(data[p*PART+:BITS])
    );
  end
  wire unused = &write_data;
endmodule
`default_nettype wire
