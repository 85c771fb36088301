// One coordinate of a frame that is resized: each place comes as often as TIMES or the file says; one that is dropped comes
// once and is not kept.
`default_nettype none
module pqk_resize_axis #(
    parameter int LENGTH = 4,
    parameter int TIMES = 2,  // 0: the file says it of each place, in TIMES_BITS bits
    parameter int TIMES_BITS = 2,
    parameter FILE = ""
) (
    input  wire  clock,
    input  wire  reset,
    input  wire  step,
    input  wire  ends,       // a pass, with the present step
    input  wire  once,       // every place, whatever the file says
    output logic first,      // of the times that the present place comes
    output logic kept,
    output logic last_pass,  // the last of them
    output logic last_place
);
  localparam int PLACE_BITS = LENGTH > 1 ? $clog2(LENGTH) : 1;
  logic [TIMES_BITS-1:0] left;  // how often the present place still comes
  wire [TIMES_BITS-1:0] times, begins;  // how often the next place comes, and the first
  wire [PLACE_BITS-1:0] place;
  wire last_count;
  wire advance = step && ends;
  (* keep *) wire ends_place = ends && last_pass;  // not behind `advance`, which comes late
  wire moves = step && ends_place;
  assign kept = left != 0;
  assign last_pass = once || left >> 1 == 0;

  // A table is read a place ahead, so that nothing waits for it.
  pqk_counter #(
      .LENGTH(LENGTH),
      .START (TIMES > 0 ? 0 : 1 % LENGTH)
  ) places (
      .clock,
      .reset,
      .advance(moves),
      .count(place),
      .last(last_count)
  );
  generate
    if (TIMES > 0) begin : g_even
      assign times = TIMES_BITS'(TIMES);
      assign begins = TIMES_BITS'(TIMES);
      assign last_place = last_count;
      wire unused = &place;
    end else begin : g_uneven
      logic [TIMES_BITS-1:0] table_of_times[LENGTH];
      logic at_end;
      initial $readmemh(FILE, table_of_times);
      assign times = table_of_times[place];
      assign begins = table_of_times[0];
      always_ff @(posedge clock) begin
        if (reset) at_end <= LENGTH == 1;
        else if (moves) at_end <= last_count;
      end
      assign last_place = at_end;
    end
  endgenerate
  always_ff @(posedge clock) begin
    if (reset) begin
      left  <= begins;
      first <= 1;
    end else if (advance) begin
      left  <= last_pass ? times : left - 1;
      first <= last_pass;
    end
  end

  if (LENGTH < 1 || TIMES < 0 || TIMES_BITS < $clog2(TIMES + 1)) begin : g_illegal
    $error("places, and bits that hold how often they come, were expected: LENGTH, TIMES, TIMES_BITS");
  end
endmodule
`default_nettype wire
