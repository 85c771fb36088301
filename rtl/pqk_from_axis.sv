// The first end of an accelerator: AXI4-Stream beats to words, the padding above the codes cut off. TLAST of every beat is a
// stream of its own, so that packets leave as they came. Either stream takes its part of a beat when it can.
`default_nettype none
module pqk_from_axis #(
    parameter int WIDTH = 8,  // of a word
    parameter int BEAT_BITS = 8
) (
    input  wire                  clock,
    input  wire                  reset,
    input  wire                  tvalid,
    output logic                 tready,
    input  wire  [BEAT_BITS-1:0] tdata,
    input  wire                  tlast,
    output logic                 out_valid,
    input  wire                  out_ready,
    output logic [    WIDTH-1:0] out_data,
    output logic                 last_valid,
    input  wire                  last_ready,
    output logic                 last_data
);
  logic word_gone, last_gone;  // of the beat that is there
  assign tready = (out_ready || word_gone) && (last_ready || last_gone);
  assign out_valid = tvalid && !word_gone;
  assign out_data = tdata[WIDTH-1:0];
  assign last_valid = tvalid && !last_gone;
  assign last_data = tlast;
  always_ff @(posedge clock) begin
    if (reset || (tvalid && tready)) {word_gone, last_gone} <= 0;
    else begin
      if (out_valid && out_ready) word_gone <= 1;
      if (last_valid && last_ready) last_gone <= 1;
    end
  end
  wire unused = &tdata;

  if (BEAT_BITS < WIDTH) begin : g_illegal
    $error("a beat that holds a word was expected: BEAT_BITS, WIDTH");
  end
`ifdef FORMAL
  `include "proofs/pqk_from_axis.svh"
`endif
endmodule
`default_nettype wire
