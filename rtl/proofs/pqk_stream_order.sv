// What goes in comes out: nothing is lost, nothing comes twice, nothing is overtaken. One lane of one word, chosen freely by the
// solver (`mark`, `mark_lane`), is tagged as it enters; when the lanes ahead of it have left, exactly it has to leave.
`default_nettype none
module pqk_stream_order #(
    parameter int BITS = 8,  // of a lane
    parameter int LANES_IN = 1,
    parameter int LANES_OUT = 1,
    parameter int CAPACITY = 2,  // lanes that can be inside
    parameter int COUNT_BITS = 8
) (
    input  wire                       clock,
    input  wire                       reset,
    input  wire                       write,
    input  wire  [ LANES_IN*BITS-1:0] written,
    input  wire                       read,
    input  wire  [LANES_OUT*BITS-1:0] found,
    input  wire                       mark,
    input  wire  [    COUNT_BITS-1:0] mark_lane,
    output logic [    COUNT_BITS-1:0] inside,     // lanes
    output logic                      tagged,
    output logic [          BITS-1:0] tag,
    output logic [    COUNT_BITS-1:0] ahead       // lanes before the tagged one
);
  wire [COUNT_BITS-1:0] leaving = read ? COUNT_BITS'(LANES_OUT) : 0;
  wire [COUNT_BITS-1:0] entering = write ? COUNT_BITS'(LANES_IN) : 0;
  wire leaves = tagged && read && ahead < COUNT_BITS'(LANES_OUT);

  always_ff @(posedge clock) begin
    if (reset) begin
      inside <= 0;
      tagged <= 0;
    end else begin
      inside <= inside + entering - leaving;
      if (!tagged && write && mark) begin
        tagged <= 1;
        tag <= written[mark_lane*BITS+:BITS];
        ahead <= inside - leaving + mark_lane;
      end else if (leaves) tagged <= 0;
      else if (tagged) ahead <= ahead - leaving;
    end
  end

  always_comb begin
    assume (mark_lane < COUNT_BITS'(LANES_IN));
    if (!reset) begin
      assert (inside <= COUNT_BITS'(CAPACITY));
      assert (!read || inside >= COUNT_BITS'(LANES_OUT));
      assert (!tagged || ahead < inside);
      if (leaves) assert (found[ahead*BITS+:BITS] == tag);
    end
  end
endmodule
`default_nettype wire
