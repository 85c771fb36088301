// Words of two streams in turn: channels of every pixel, columns of every row, or rows of the frame.
`default_nettype none
module pqk_concat #(
    parameter int BITS = 4,  // of a word
    parameter int FIRST_WORDS = 1,  // of a turn
    parameter int SECOND_WORDS = 1
) (
    input  wire             clock,
    input  wire             reset,
    input  wire             first_valid,
    output logic            first_ready,
    input  wire  [BITS-1:0] first_data,
    input  wire             second_valid,
    output logic            second_ready,
    input  wire  [BITS-1:0] second_data,
    output logic            out_valid,
    input  wire             out_ready,
    output logic [BITS-1:0] out_data
);
  localparam int COUNT_BITS = $clog2(FIRST_WORDS + SECOND_WORDS);
  logic [COUNT_BITS-1:0] count;
  wire second = count >= COUNT_BITS'(FIRST_WORDS);
  assign first_ready  = out_ready && !second;
  assign second_ready = out_ready && second;
  assign out_valid    = second ? second_valid : first_valid;
  assign out_data     = second ? second_data : first_data;
  always_ff @(posedge clock) begin
    if (reset) count <= 0;
    else if (out_valid && out_ready) count <= count == COUNT_BITS'(FIRST_WORDS + SECOND_WORDS - 1) ? 0 : count + 1;
  end

  if (FIRST_WORDS < 1 || SECOND_WORDS < 1) begin : g_illegal
    $error("words of both streams were expected: FIRST_WORDS, SECOND_WORDS");
  end
`ifdef FORMAL
  `include "proofs/pqk_concat.svh"
`endif
endmodule
`default_nettype wire
