// First in, first out. `in_ready` and `out_valid` are registers, so that no combinational path leads through; a word takes two
// cycles. Reading is registered: memories of any size can become block RAM.
`default_nettype none
module pqk_fifo #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 32  // words, the one at the output included; 3 or more let a word through every cycle
) (
    input  wire              clock,
    input  wire              reset,
    input  wire              stall,      // holds both ends back for a cycle; for tests of back-pressure, otherwise 0
    input  wire              in_valid,
    output logic             in_ready,
    input  wire  [WIDTH-1:0] in_data,
    output logic             out_valid,
    input  wire              out_ready,
    output logic [WIDTH-1:0] out_data
);
  localparam int WORDS = DEPTH < 3 ? 1 : DEPTH - 1;
  localparam int COUNT_BITS = $clog2(WORDS + 1);
  localparam int ADDRESS_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam bit [ADDRESS_BITS-1:0] LAST = ADDRESS_BITS'(WORDS - 1);

  logic [WIDTH-1:0] memory[WORDS];
  logic [ADDRESS_BITS-1:0] write_address, read_address;
  logic [COUNT_BITS-1:0] waiting;  // words in the memory

  wire write = in_valid && in_ready;
  wire read = waiting != 0 && (out_ready || !out_valid) && !stall;
  // Whether the memory will be full: compared before it is known what moves.
  wire full_next = !read && (waiting == COUNT_BITS'(WORDS) || (waiting == COUNT_BITS'(WORDS - 1) && write));

  always_ff @(posedge clock) begin
    if (write) memory[write_address] <= in_data;
    if (read) out_data <= memory[read_address];
  end

  always_ff @(posedge clock) begin
    if (reset) begin
      in_ready <= 0;
      out_valid <= 0;
      waiting <= 0;
      write_address <= 0;
      read_address <= 0;
    end else begin
      in_ready <= !full_next && !stall;
      if (write != read) waiting <= write ? waiting + 1 : waiting - 1;
      if (write) write_address <= write_address == LAST ? 0 : write_address + 1;
      if (read) read_address <= read_address == LAST ? 0 : read_address + 1;
      if (read) out_valid <= 1;
      else if (out_ready) out_valid <= 0;
    end
  end

  if (WIDTH < 1 || DEPTH < 1) begin : g_illegal
    $error("a word at least was expected: WIDTH, DEPTH");
  end
`ifdef FORMAL
  `include "proofs/pqk_fifo.svh"
`endif
endmodule
`default_nettype wire
