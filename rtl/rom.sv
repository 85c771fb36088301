// Constants with a registered read, so that they can become block RAM; one word alone is a literal and takes nothing.
module rom #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 2,
    parameter FILE = "",  // hexadecimal, one word a line; not read if DEPTH is 1
    parameter bit [WIDTH-1:0] VALUE = 0,  // the word if DEPTH is 1
    localparam int ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  wire                    clock,
    input  wire                    enable,
    input  wire [ADDRESS_BITS-1:0] address,
    output wire [       WIDTH-1:0] data
);
  generate
    if (DEPTH > 1) begin : g_memory
      reg [WIDTH-1:0] memory[DEPTH];
      reg [WIDTH-1:0] word;
      initial $readmemh(FILE, memory);
      always_ff @(posedge clock) if (enable) word <= memory[address];
      assign data = word;
    end else begin : g_literal
      assign data = VALUE;
      wire unused = &{clock, enable, address};
    end
  endgenerate
endmodule
