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
  localparam int LAST = START + (SIZE - 1) * STEP;
  localparam int PLACE_BITS = LENGTH > 1 ? $clog2(LENGTH) : 1;
  localparam int STEP_BITS = STEP > 1 ? $clog2(STEP) : 1;
  wire [PLACE_BITS-1:0] place;
  wire [STEP_BITS-1:0] phase;  // since a place that was kept, or would be if the slice began earlier or went on
  wire last, last_phase;
  wire unused = &phase;
  pqk_counter #(
      .LENGTH(LENGTH)
  ) places (
      .clock,
      .reset,
      .advance,
      .count(place),
      .last
  );
  pqk_counter #(
      .LENGTH(STEP),
      .START ((STEP - START % STEP) % STEP)
  ) phases (
      .clock,
      .reset(reset || wraps),
      .advance,
      .count(phase),
      .last(last_phase)
  );
  assign wraps = advance && last;

  // Whether the next place is kept.
  logic between;  // behind the start, and not behind the last place
  wire begins = START > 0 ? place == PLACE_BITS'(START - 1) : last;
  wire ends = LAST < LENGTH - 1 ? place == PLACE_BITS'(LAST) : last && START > 0;
  wire between_next = begins || (between && !ends);
  always_ff @(posedge clock) begin
    if (reset) begin
      between <= START == 0;
      kept   <= START == 0;
    end else if (advance) begin
      between <= between_next;
      kept   <= between_next && (last ? START == 0 : last_phase);
    end
  end

  if (START < 0 || STEP < 1 || START + (SIZE - 1) * STEP >= LENGTH) begin : g_illegal
    $error("places inside LENGTH were expected: START, STEP, SIZE");
  end
endmodule
`default_nettype wire
