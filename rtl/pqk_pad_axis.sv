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
  localparam int ALL = BEFORE + LENGTH + AFTER;
  localparam int PLACE_BITS = ALL > 1 ? $clog2(ALL) : 1;
  wire [PLACE_BITS-1:0] place;
  wire last;
  pqk_counter #(
      .LENGTH(ALL)
  ) places (
      .clock,
      .reset,
      .advance,
      .count(place),
      .last
  );
  assign wraps = advance && last;

  // Whether the next place lies inside.
  generate
    if (BEFORE + AFTER > 0) begin : g_padded
      wire enters = BEFORE > 0 ? place == PLACE_BITS'(BEFORE - 1) : last;
      wire leaves = AFTER > 0 ? place == PLACE_BITS'(BEFORE + LENGTH - 1) : last;
      always_ff @(posedge clock) begin
        if (reset) inside_frame <= BEFORE == 0;
        else if (advance && (enters || leaves)) inside_frame <= enters;
      end
    end else begin : g_whole
      assign inside_frame = 1;
      wire unused = &place;
    end
  endgenerate

  if (BEFORE < 0 || LENGTH < 1 || AFTER < 0) begin : g_illegal
    $error("places, and none before or after them missing, were expected: BEFORE, LENGTH, AFTER");
  end
endmodule
`default_nettype wire
