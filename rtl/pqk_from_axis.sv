// The first end of an accelerator: AXI4-Stream beats to words, the padding above the codes cut off.
module pqk_from_axis #(
    parameter int WIDTH = 8,  // of a word
    parameter int BEAT_BITS = 8
) (
    input  wire                 tvalid,
    output wire                 tready,
    input  wire [BEAT_BITS-1:0] tdata,
    output wire                 out_valid,
    input  wire                 out_ready,
    output wire [    WIDTH-1:0] out_data
);
  assign out_valid = tvalid;
  assign tready = out_ready;
  assign out_data = tdata[WIDTH-1:0];
  wire unused = &tdata;
endmodule
