// The first end of an accelerator: AXI4-Stream beats to words, the padding above the codes cut off.
`default_nettype none
module pqk_from_axis #(
    parameter int WIDTH = 8,  // of a word
    parameter int BEAT_BITS = 8
) (
    input  wire                  tvalid,
    output logic                 tready,
    input  wire  [BEAT_BITS-1:0] tdata,
    output logic                 out_valid,
    input  wire                  out_ready,
    output logic [    WIDTH-1:0] out_data
);
  assign out_valid = tvalid;
  assign tready = out_ready;
  assign out_data = tdata[WIDTH-1:0];
  wire unused = &tdata;

  if (BEAT_BITS < WIDTH) begin : g_illegal
    $error("a beat that holds a word was expected: BEAT_BITS, WIDTH");
  end
endmodule
`default_nettype wire
