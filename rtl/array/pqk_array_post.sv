// Counters of a POST: positions, lanes and terms, each for as many cycles as a post-processor serves columns. `busy` lasts until
// the last code is written, DRAIN cycles after the last step. With `raw` a lane waits until its scaled sums are sent.
`default_nettype none
module pqk_array_post #(
    parameter int SERVED = 4,
    parameter int MODE = 2,
    parameter int ACCUMULATOR = 9,
    parameter int PARAMETER = 10,
    parameter int SIZE = 10,
    parameter int DRAIN = 30,
    localparam int PHASE = $clog2(SERVED)
) (
    input  wire                    clock,
    input  wire                    reset,
    input  wire                    start,
    output logic                   busy,
    input  wire  [       MODE-1:0] mode,  // fields of the instruction, taken by `start`
    input  wire                    bank,
    input  wire  [ACCUMULATOR-1:0] accumulator,
    input  wire  [ACCUMULATOR-1:0] pitch,
    input  wire  [       SIZE-1:0] rows,
    input  wire  [       SIZE-1:0] columns,
    input  wire  [            3:0] lanes,
    input  wire  [       SIZE-1:0] terms,
    input  wire                    maximum,
    input  wire                    raw,
    input  wire  [  PARAMETER-1:0] parameters,
    input  wire  [            3:0] stages,
    output logic [       MODE-1:0] post_mode,
    output logic                   post_bank,
    output logic                   post_maximum,
    output logic                   post_raw,
    output logic [            3:0] post_stages,
    input  wire                    raw_sent,  // all words of a lane
    output logic                   valid,
    output logic [      PHASE-1:0] phase,
    output logic [            3:0] lane,
    output logic                   first,  // term of a result
    output logic                   last,
    output logic                   ends,  // the last lane of the last position
    output logic [ACCUMULATOR-1:0] address,
    output logic [  PARAMETER-1:0] parameter_address
);
  logic [ACCUMULATOR-1:0] pitch_l, position;
  logic [SIZE-1:0] rows_l, columns_l, terms_l, x, y, term;
  logic [3:0] lanes_l;
  logic [PARAMETER-1:0] parameters_l;
  logic waits;
  assign first = term == 0;
  assign last = term + 1'b1 == terms_l;
  // Compared a cycle before they are looked at: all counters stay for a whole step.
  logic term_ends, lane_ends, x_ends, y_ends;
  always_ff @(posedge clock) begin
    {term_ends, y_ends} <= {last, y + 1'b1 == rows_l};
    {lane_ends, x_ends} <= {lane + 1'b1 == lanes_l, x + 1'b1 == columns_l};
  end
  wire step_ends = valid && phase == PHASE'(SERVED - 1);
  assign ends = lane_ends && x_ends && y_ends;  // read of the last cycle of a step
  wire all_end = step_ends && term_ends && ends;
  always_ff @(posedge clock) begin
    if (start) begin
      {post_mode, post_bank, post_maximum, post_raw, post_stages} <= {mode, bank, maximum, raw, stages};
      {pitch_l, rows_l, columns_l, terms_l, lanes_l, parameters_l} <= {pitch, rows, columns, terms, lanes, parameters};
      {y, x, term, lane} <= '0;
      {position, address} <= {2{accumulator}};
      parameter_address <= parameters;
    end else if (step_ends) begin
      term <= term_ends ? '0 : term + 1'b1;
      address <= !term_ends ? address + pitch_l : lane_ends ? position + 1'b1 : position;
      if (term_ends || !post_maximum) parameter_address <= parameter_address + 1'b1;
      if (term_ends) begin
        lane <= lane_ends ? '0 : lane + 1'b1;
        if (lane_ends) begin
          position <= position + 1'b1;
          parameter_address <= parameters_l;
          x <= x_ends ? '0 : x + 1'b1;
          if (x_ends) y <= y + 1'b1;
        end
      end
    end
  end

  logic steps;  // are left
  logic [$clog2(DRAIN+1)-1:0] drained;
  assign valid = steps && !waits;
  always_ff @(posedge clock) begin
    phase <= start ? '0 : valid ? (phase == PHASE'(SERVED - 1) ? '0 : phase + 1'b1) : phase;
    drained <= steps || waits ? '0 : drained + 1'b1;
    if (reset) {steps, busy, waits} <= '0;
    else if (start) {steps, busy, waits} <= 3'b110;
    else begin
      if (all_end) steps <= 0;
      if (step_ends && term_ends && post_raw) waits <= 1;
      else if (raw_sent) waits <= 0;
      if (!steps && !waits && drained == ($clog2(DRAIN + 1))'(DRAIN)) busy <= 0;
    end
  end
endmodule
`default_nettype wire
