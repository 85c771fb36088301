// The last end of an accelerator: words to AXI4-Stream beats, zero-padded. `end` has a word a frame, which goes with its last
// beat and says whether TLAST is set there.
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
    input  wire                  end_valid,
    output logic                 end_ready,
    input  wire                  end_data,
    output logic                 tvalid,
    input  wire                  tready,
    output logic [BEAT_BITS-1:0] tdata,
    output logic                 tlast
);
  localparam int COUNT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;
  logic [COUNT_BITS-1:0] count;
  logic last;  // of a frame, a register: what both handshakes look at
  assign tvalid = in_valid && (end_valid || !last);
  assign in_ready = tready && (end_valid || !last);
  assign end_ready = tready && in_valid && last;
  assign tdata = BEAT_BITS'(in_data);
  assign tlast = last && end_data;
  always_ff @(posedge clock) begin
    if (reset) begin
      count <= 0;
      last  <= BEATS == 1;
    end else if (tvalid && tready) begin
      count <= last ? 0 : count + 1;
      last  <= BEATS == 1 || (!last && count == COUNT_BITS'(BEATS - 2));
    end
  end

  if (BEAT_BITS < WIDTH || BEATS < 1) begin : g_illegal
    $error("beats that hold a word were expected: BEAT_BITS, WIDTH, BEATS");
  end
endmodule
`default_nettype wire
