// Where frames of WORDS words enter hardware that they pass PASSES times: one from outside, then what comes back of it, then the
// next one from outside.
`default_nettype none
module pqk_loop_entry #(
    parameter int WIDTH  = 8,
    parameter int WORDS  = 4,
    parameter int PASSES = 2
) (
    input  wire              clock,
    input  wire              reset,
    input  wire              in_valid,
    output logic             in_ready,
    input  wire  [WIDTH-1:0] in_data,
    input  wire              back_valid,
    output logic             back_ready,
    input  wire  [WIDTH-1:0] back_data,
    output logic             out_valid,
    input  wire              out_ready,
    output logic [WIDTH-1:0] out_data
);
  localparam int PASS_BITS = PASSES > 1 ? $clog2(PASSES) : 1;
  wire [PASS_BITS-1:0] pass;
  wire last;
  wire from_outside = pass == 0;
  wire unused = last;
  pqk_pass_address #(
      .LENGTH(1),
      .REPEAT(WORDS),
      .PASSES(PASSES)
  ) passes (
      .clock,
      .reset,
      .advance(out_valid && out_ready),
      .address(pass),
      .last
  );
  assign out_valid  = from_outside ? in_valid : back_valid;
  assign out_data   = from_outside ? in_data : back_data;
  assign in_ready   = from_outside && out_ready;
  assign back_ready = !from_outside && out_ready;

  if (WIDTH < 1 || PASSES < 2) begin : g_illegal
    $error("words that pass twice at least were expected: WIDTH, PASSES");
  end
endmodule
`default_nettype wire
