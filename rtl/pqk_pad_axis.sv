// One coordinate of a padded frame: counts to its end and tells whether the present place lies inside the padding.
`default_nettype none
module pqk_pad_axis #(
    parameter int BEFORE = 0,
    parameter int LENGTH = 4,
    parameter int AFTER  = 0
) (
    input  wire  clock,
    input  wire  reset,
    input  wire  advance,
    output logic inside_frame,
    output logic wraps
);
  localparam int PLACE_BITS = $clog2(BEFORE + LENGTH + AFTER + 1);
  logic [PLACE_BITS-1:0] place;
  wire [PLACE_BITS-1:0] from_first = place - PLACE_BITS'(BEFORE);
  assign inside_frame = from_first < PLACE_BITS'(LENGTH);  // places before wrap around to large numbers
  assign wraps = advance && place == PLACE_BITS'(BEFORE + LENGTH + AFTER - 1);
  always_ff @(posedge clock) begin
    if (reset || wraps) place <= 0;
    else if (advance) place <= place + 1;
  end

  if (BEFORE < 0 || LENGTH < 1 || AFTER < 0) begin : g_illegal
    $error("places, and none before or after them missing, were expected: BEFORE, LENGTH, AFTER");
  end
endmodule
`default_nettype wire
