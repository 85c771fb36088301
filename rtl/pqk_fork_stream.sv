// The same words for several readers; a word leaves when all of them take it.
`default_nettype none
module pqk_fork_stream #(
    parameter int WIDTH   = 8,
    parameter int READERS = 2
) (
    input  wire                      in_valid,
    output logic                     in_ready,
    input  wire  [        WIDTH-1:0] in_data,
    output logic [      READERS-1:0] out_valid,
    input  wire  [      READERS-1:0] out_ready,
    output logic [READERS*WIDTH-1:0] out_data
);
  assign in_ready  = &out_ready;
  assign out_valid = {READERS{in_valid && in_ready}};
  assign out_data  = {READERS{in_data}};

  if (READERS < 1) begin : g_illegal
    $error("a reader at least was expected: READERS");
  end
`ifdef FORMAL
  `include "proofs/pqk_fork_stream.svh"
`endif
endmodule
`default_nettype wire
