// What was at `d` STAGES steps ago; without stages a wire.
`default_nettype none
module pqk_delay #(
    parameter int WIDTH  = 1,
    parameter int STAGES = 1
) (
    input  wire              clock,
    input  wire              enable,
    input  wire  [WIDTH-1:0] d,
    output logic [WIDTH-1:0] q
);
  if (WIDTH < 1 || STAGES < 0) begin : g_illegal
    $error("a bit at least, and no negative delay, were expected: WIDTH, STAGES");
  end

  generate
    if (STAGES > 0) begin : g_registers
      logic [STAGES*WIDTH-1:0] held;  // the newest lowest
      always_ff @(posedge clock) if (enable) held <= (STAGES * WIDTH)'({held, d});
      assign q = held[(STAGES-1)*WIDTH+:WIDTH];
    end else begin : g_wire
      assign q = d;
      wire unused = &{clock, enable};
    end
  endgenerate
endmodule
`default_nettype wire
