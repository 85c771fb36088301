// No deadlock: whoever could go on does so within `CYCLES` cycles.
`default_nettype none
module pqk_patience #(
    parameter int CYCLES = 1
) (
    input wire clock,
    input wire reset,
    input wire waits  // could go on and does not
);
  localparam int COUNT_BITS = $clog2(CYCLES + 2);
  logic [COUNT_BITS-1:0] waited;
  always_ff @(posedge clock)
    if (reset || !waits) waited <= 0;
    else waited <= waited + COUNT_BITS'(waited <= COUNT_BITS'(CYCLES));
  always_comb if (!reset) assert (waited <= COUNT_BITS'(CYCLES));
endmodule
`default_nettype wire
