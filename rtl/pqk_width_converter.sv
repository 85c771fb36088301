// The same codes in words of another number of lanes; one number divides the other. No cycle is lost between words.
`default_nettype none
module pqk_width_converter #(
    parameter int BITS = 4,
    parameter int LANES_IN = 1,
    parameter int LANES_OUT = 2
) (
    input  wire                       clock,
    input  wire                       reset,
    input  wire                       in_valid,
    output logic                      in_ready,
    input  wire  [ LANES_IN*BITS-1:0] in_data,
    output logic                      out_valid,
    input  wire                       out_ready,
    output logic [LANES_OUT*BITS-1:0] out_data
);
  localparam int RATIO = LANES_IN > LANES_OUT ? LANES_IN / LANES_OUT : LANES_OUT / LANES_IN;
  localparam int COUNT_BITS = $clog2(RATIO + 1);
  localparam int NARROW = BITS * (LANES_IN > LANES_OUT ? LANES_OUT : LANES_IN);

  logic [RATIO*NARROW-1:0] held;
  logic [COUNT_BITS-1:0] count;  // narrow words held
  wire take = in_valid && in_ready;

  generate
    if (LANES_IN > LANES_OUT) begin : g_narrow
      assign in_ready  = count == 0 || (count == 1 && out_ready);
      assign out_valid = count != 0;
      assign out_data  = held[NARROW-1:0];
      always_ff @(posedge clock) begin
        if (take) held <= in_data;
        else if (out_ready) held <= held >> NARROW;
      end
      always_ff @(posedge clock) begin
        if (reset) count <= 0;
        else if (take) count <= COUNT_BITS'(RATIO);
        else if (out_valid && out_ready) count <= count - 1;
      end
    end else begin : g_widen
      assign out_valid = count == COUNT_BITS'(RATIO);
      assign in_ready  = !out_valid || out_ready;
      assign out_data  = held;
      always_ff @(posedge clock) if (take) held <= {in_data, held[RATIO*NARROW-1:NARROW]};
      always_ff @(posedge clock) begin
        if (reset) count <= 0;
        else if (out_valid && out_ready) count <= COUNT_BITS'(take);
        else if (take) count <= count + 1;
      end
    end
  endgenerate

  if (LANES_IN == LANES_OUT || (LANES_IN % LANES_OUT != 0 && LANES_OUT % LANES_IN != 0)) begin : g_illegal
    $error("lanes of which one number divides the other were expected: LANES_IN, LANES_OUT");
  end
`ifdef FORMAL
  `include "proofs/pqk_width_converter.svh"
`endif
endmodule
`default_nettype wire
