// TLAST of the last beat of every frame: whether a packet ends there. That of other beats means nothing.
`default_nettype none
module pqk_frame_end #(
    parameter int BEATS = 1  // of a frame
) (
    input  wire  clock,
    input  wire  reset,
    input  wire  in_valid,
    output logic in_ready,
    input  wire  in_data,
    output logic out_valid,
    input  wire  out_ready,
    output logic out_data
);
  localparam int COUNT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;
  logic [COUNT_BITS-1:0] count;
  logic last;  // of a frame, a register: what both handshakes look at
  assign in_ready  = out_ready || !last;
  assign out_valid = in_valid && last;
  assign out_data  = in_data;
  always_ff @(posedge clock) begin
    if (reset) begin
      count <= 0;
      last  <= BEATS == 1;
    end else if (in_valid && in_ready) begin
      count <= last ? 0 : count + 1;
      last  <= BEATS == 1 || (!last && count == COUNT_BITS'(BEATS - 2));
    end
  end

  if (BEATS < 1) begin : g_illegal
    $error("a beat at least was expected: BEATS");
  end
endmodule
`default_nettype wire
