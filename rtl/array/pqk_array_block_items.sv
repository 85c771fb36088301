// A memory of items as pqk_array_items, for items so many that block RAMs work with words of nine bits: of each part as many bits as fill
// such words are one memory, and the rest another one. With the 64 bits of a part in one, that would take an eighth word for one bit.
`default_nettype none
module pqk_array_block_items #(
    parameter int WIDTH = 91,  // of an item
    parameter int PART = 64,  // of what is written at a time
    parameter int DEPTH = 2,
    localparam int WORD = 9,
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
    localparam int FULL = BITS / WORD * WORD;
    wire writes = write && write_part == PART_BITS'(p);
    if (FULL > 0) begin : g_full
      pqk_array_memory #(.WIDTH(FULL), .DEPTH(DEPTH), .MEMORY("block")) nines (
          .clock, .write(writes), .write_address, .write_data(write_data[FULL-1:0]), .read, .address, .data(data[p*PART+:FULL])
      );
    end
    if (BITS > FULL) begin : g_rest
      pqk_array_memory #(.WIDTH(BITS - FULL), .DEPTH(DEPTH), .MEMORY("block")) rest (
          .clock, .write(writes), .write_address, .write_data(write_data[BITS-1:FULL]), .read, .address,
          .data(data[p*PART+FULL+:BITS-FULL])
      );
    end
  end
  wire unused = &write_data;
endmodule
`default_nettype wire
