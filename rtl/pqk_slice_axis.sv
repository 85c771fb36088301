// One coordinate of a slice: counts to LENGTH and tells whether the present place is one of START, START + STEP, ..., SIZE of them.
`default_nettype none
module pqk_slice_axis #(
    parameter int LENGTH = 4,
    parameter int START  = 0,
    parameter int STEP   = 2,
    parameter int SIZE   = 2
) (
    input  wire  clock,
    input  wire  reset,
    input  wire  advance,
    output logic kept,
    output logic wraps
);
  localparam int PLACE_BITS = $clog2(LENGTH + 1);
  localparam int NEXT_BITS = $clog2(LENGTH + STEP + 1);
  logic [PLACE_BITS-1:0] place;
  logic [NEXT_BITS-1:0] next;  // the next place that is kept
  localparam int LAST = START + (SIZE - 1) * STEP;

  assign kept  = NEXT_BITS'(place) == next && place <= PLACE_BITS'(LAST);
  assign wraps = advance && place == PLACE_BITS'(LENGTH - 1);
  always_ff @(posedge clock) begin
    if (reset || wraps) begin
      place <= 0;
      next  <= NEXT_BITS'(START);
    end else if (advance) begin
      place <= place + 1;
      if (kept) next <= next + NEXT_BITS'(STEP);
    end
  end

  if (START < 0 || STEP < 1 || START + (SIZE - 1) * STEP >= LENGTH) begin : g_illegal
    $error("places inside LENGTH were expected: START, STEP, SIZE");
  end
endmodule
`default_nettype wire
