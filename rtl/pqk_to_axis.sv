// The last end of an accelerator: words to AXI4-Stream beats, zero-padded; TLAST is set on the last beat of every frame.
`default_nettype none
module pqk_to_axis #(
    parameter int WIDTH = 8,  // of a word
    parameter int BEAT_BITS = 8,
    parameter int BEATS = 1  // of a frame
) (
    input  wire                  clock,
    input  wire                  reset,
    input  wire                  in_valid,
    output logic                 in_ready,
    input  wire  [    WIDTH-1:0] in_data,
    output logic                 tvalid,
    input  wire                  tready,
    output logic [BEAT_BITS-1:0] tdata,
    output logic                 tlast
);
  localparam int COUNT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;
  logic [COUNT_BITS-1:0] count;
  assign tvalid = in_valid;
  assign in_ready = tready;
  assign tdata = BEAT_BITS'(in_data);
  assign tlast = count == COUNT_BITS'(BEATS - 1);
  always_ff @(posedge clock) begin
    if (reset) count <= 0;
    else if (tvalid && tready) count <= tlast ? 0 : count + 1;
  end

  if (BEAT_BITS < WIDTH || BEATS < 1) begin : g_illegal
    $error("beats that hold a word were expected: BEAT_BITS, WIDTH, BEATS");
  end
endmodule
`default_nettype wire
