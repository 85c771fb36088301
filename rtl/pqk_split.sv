// The lower half of every word for one reader, the upper half for another; a word leaves when both take it.
`default_nettype none
module pqk_split #(
    parameter int WIDTH = 4  // of a half
) (
    input  wire                in_valid,
    output logic               in_ready,
    input  wire  [2*WIDTH-1:0] in_data,
    output logic [        1:0] out_valid,
    input  wire  [        1:0] out_ready,
    output logic [2*WIDTH-1:0] out_data
);
  assign in_ready  = &out_ready;
  assign out_valid = {2{in_valid && in_ready}};
  assign out_data  = in_data;

  if (WIDTH < 1) begin : g_illegal
    $error("a bit at least was expected: WIDTH");
  end
endmodule
`default_nettype wire
