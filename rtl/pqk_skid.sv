// A word of room behind another: whoever gives words sees in a register whether one is taken.
`default_nettype none
module pqk_skid #(
    parameter int WIDTH = 8
) (
    input  wire              clock,
    input  wire              reset,
    input  wire              in_valid,
    output logic             in_ready,
    input  wire  [WIDTH-1:0] in_data,
    output logic             out_valid,
    input  wire              out_ready,
    output logic [WIDTH-1:0] out_data
);
  logic full;
  logic [WIDTH-1:0] spare;
  wire moves = out_ready || !out_valid;
  wire full_next = !moves && (full || in_valid);
  always_ff @(posedge clock) begin
    if (!full) spare <= in_data;
    if (moves) out_data <= full ? spare : in_data;
    if (reset) begin
      full <= 0;
      in_ready <= 1;
      out_valid <= 0;
    end else begin
      full <= full_next;
      in_ready <= !full_next;  // a register of its own, for what it enables is far away
      if (moves) out_valid <= full || in_valid;
    end
  end
endmodule
`default_nettype wire
