// Where frames of WORDS words leave hardware that they pass PASSES times: they go back, but for the last time.
`default_nettype none
module pqk_loop_exit #(
    parameter int WIDTH  = 8,
    parameter int WORDS  = 4,
    parameter int PASSES = 2
) (
    input  wire              clock,
    input  wire              reset,
    input  wire              in_valid,
    output logic             in_ready,
    input  wire  [WIDTH-1:0] in_data,
    output logic             back_valid,
    input  wire              back_ready,
    output logic [WIDTH-1:0] back_data,
    output logic             out_valid,
    input  wire              out_ready,
    output logic [WIDTH-1:0] out_data
);
  localparam int PASS_BITS = PASSES > 1 ? $clog2(PASSES) : 1;
  wire [PASS_BITS-1:0] pass;
  wire last;
  wire leaves = pass == PASS_BITS'(PASSES - 1);
  wire unused = last;
  pqk_pass_address #(
      .LENGTH(1),
      .REPEAT(WORDS),
      .PASSES(PASSES)
  ) passes (
      .clock,
      .reset,
      .advance(in_valid && in_ready),
      .address(pass),
      .last
  );
  assign in_ready   = leaves ? out_ready : back_ready;
  assign back_valid = in_valid && !leaves;
  assign out_valid  = in_valid && leaves;
  assign back_data  = in_data;
  assign out_data   = in_data;

  if (WIDTH < 1 || PASSES < 2) begin : g_illegal
    $error("words that pass twice at least were expected: WIDTH, PASSES");
  end
endmodule
`default_nettype wire
