// A word that was offered stays, unchanged, until it is taken.
module pqk_stream_stable #(
    parameter int WIDTH = 8
) (
    input wire             clock,
    input wire             reset,
    input wire             valid,
    input wire             ready,
    input wire [WIDTH-1:0] data
);
  reg held;
  reg [WIDTH-1:0] kept;
  always_ff @(posedge clock) begin
    held <= valid && !ready && !reset;
    kept <= data;
  end
  always_comb if (held && !reset) assert (valid && data == kept);
endmodule
