// A block RAM of the 7 series, for which Yosys's library has no function: two ports, which read and write in
// widths of their own. Each byte has a parity bit above it; a word of several bytes begins at a multiple of
// its size. What is read while the same bits are written is the old word, as in READ_FIRST.
module block_ram #(
    parameter integer BYTES = 2048,
    parameter [9*BYTES-1:0] INIT = 0,
    parameter integer READ_A = 0,  // bits, 0 for none
    parameter integer READ_B = 0,
    parameter integer WRITE_A = 0,
    parameter integer WRITE_B = 0
) (
    input clock_a,
    input clock_b,
    input enable_a,
    input enable_b,
    input [15:0] address_a,  // of a bit
    input [15:0] address_b,
    input [7:0] write_a,  // of each byte
    input [7:0] write_b,
    input [71:0] in_a,
    input [71:0] in_b,
    output reg [71:0] out_a,
    output reg [71:0] out_b
);

  localparam SPAN = $clog2(BYTES);
  reg [8:0] memory[0:BYTES-1];
  integer i, j, k;
  initial begin
    for (i = 0; i < BYTES; i = i + 1) memory[i] = INIT[9*i+:9];
    out_a = 0;
    out_b = 0;
  end

  // The byte that a lane of a word lies in, and where words of less than a byte begin in it.
  function [SPAN-1:0] place(input [15:0] address, input integer width, input integer lane);
    place = width < 9 ? address[3+:SPAN] : (address[3+:SPAN] & ~SPAN'(width / 9 - 1)) + SPAN'(lane);
  endfunction

  function [3:0] start(input [15:0] address, input integer width);
    start = width < 9 ? {1'b0, address[2:0] & ~3'(width - 1)} : 4'd0;
  endfunction

  function [8:0] replaced(input [8:0] old, input [8:0] made, input [3:0] from, input integer width);
    reg [8:0] mask;
    begin
      mask = (width < 9 ? 9'((1 << width) - 1) : 9'h1ff) << from;
      replaced = (old & ~mask) | (made << from & mask);
    end
  endfunction

  always @(posedge clock_a)
    if (enable_a) begin
      for (j = 0; j < (READ_A + 8) / 9; j = j + 1)
        out_a[9*j+:9] <= memory[place(address_a, READ_A, j)] >> start(address_a, READ_A);
      for (j = 0; j < (WRITE_A + 8) / 9; j = j + 1)
        if (write_a[j])
          memory[place(address_a, WRITE_A, j)] <= replaced(
              memory[place(address_a, WRITE_A, j)], in_a[9*j+:9], start(address_a, WRITE_A), WRITE_A);
    end

  always @(posedge clock_b)
    if (enable_b) begin
      for (k = 0; k < (READ_B + 8) / 9; k = k + 1)
        out_b[9*k+:9] <= memory[place(address_b, READ_B, k)] >> start(address_b, READ_B);
      for (k = 0; k < (WRITE_B + 8) / 9; k = k + 1)
        if (write_b[k])
          memory[place(address_b, WRITE_B, k)] <= replaced(
              memory[place(address_b, WRITE_B, k)], in_b[9*k+:9], start(address_b, WRITE_B), WRITE_B);
    end
endmodule
