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
    input  wire  advance,
    input  wire  once,     // every place, whatever the file says
    output logic first,    // of the times that the present place comes
    output logic kept,
    output logic moves,    // to another place
    output logic wraps
);
  localparam int PLACE_BITS = LENGTH > 1 ? $clog2(LENGTH) : 1;
  logic [PLACE_BITS-1:0] place;
  logic [TIMES_BITS-1:0] pass;
  wire [TIMES_BITS-1:0] times;

  if (TIMES > 0) begin : g_even
    assign times = TIMES_BITS'(TIMES);
  end else begin : g_uneven
    logic [TIMES_BITS-1:0] table_of_times[LENGTH];
    initial $readmemh(FILE, table_of_times);
    assign times = table_of_times[place];
  end

  wire last = once || times == 0 || pass == times - TIMES_BITS'(1);
  assign first = pass == 0;
  assign kept  = times != 0;
  assign moves = advance && last;
  assign wraps = moves && place == PLACE_BITS'(LENGTH - 1);
  always_ff @(posedge clock) begin
    if (reset) begin
      place <= 0;
      pass  <= 0;
    end else if (advance) begin
      pass <= last ? 0 : pass + 1;
      if (last) place <= wraps ? 0 : place + 1;
    end
  end

  if (LENGTH < 1 || TIMES < 0 || TIMES_BITS < $clog2(TIMES + 1)) begin : g_illegal
    $error("places, and bits that hold how often they come, were expected: LENGTH, TIMES, TIMES_BITS");
  end
endmodule
`default_nettype wire
