// Two streams that are multiplied element by element: both words, then their products, which multipliers outside make in
// STAGES steps.
`default_nettype none
module pqk_stream_product #(
    parameter int LEFT_WIDTH = 8,  // of a word
    parameter int RIGHT_WIDTH = 8,
    parameter int OUT_WIDTH = 16,
    parameter int STAGES = 0
) (
    input  wire                    clock,
    input  wire                    reset,
    input  wire                    left_valid,
    output logic                   left_ready,
    input  wire  [ LEFT_WIDTH-1:0] left_data,
    input  wire                    right_valid,
    output logic                   right_ready,
    input  wire  [RIGHT_WIDTH-1:0] right_data,
    output logic [ LEFT_WIDTH-1:0] left,
    output logic [RIGHT_WIDTH-1:0] right,
    output logic                   step,  // the whole pipeline moves, or nothing does
    input  wire  [  OUT_WIDTH-1:0] products,
    output logic                   out_valid,
    input  wire                    out_ready,
    output logic [  OUT_WIDTH-1:0] out_data
);
  logic [STAGES+1:0] valid;
  assign step = out_ready || !valid[STAGES+1];
  wire both = left_valid && right_valid;
  assign left_ready  = step && both;
  assign right_ready = step && both;
  assign out_valid   = valid[STAGES+1];
  always_ff @(posedge clock) begin
    if (reset) valid <= 0;
    else if (step) valid <= {valid[STAGES:0], both};
    if (step) begin
      left <= left_data;
      right <= right_data;
      out_data <= products;
    end
  end
endmodule
`default_nettype wire
