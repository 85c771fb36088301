// A word that was offered stays, unchanged, until it is taken: an assertion, for simulation and for proofs.
`default_nettype none
module pqk_stream_stable #(
    parameter int WIDTH = 8
) (
    input wire             clock,
    input wire             reset,
    input wire             valid,
    input wire             ready,
    input wire [WIDTH-1:0] data
);
  logic held;
  logic [WIDTH-1:0] kept;
  always_ff @(posedge clock) begin
    held <= valid && !ready && !reset;
    kept <= data;
    if (held && !reset) assert (valid && data == kept);
  end
endmodule
`default_nettype wire
