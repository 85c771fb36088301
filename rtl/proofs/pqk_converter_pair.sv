// Words of LANES_IN lanes to words of LANES_OUT where neither number divides the other: by way of words of WIDE lanes, as the
// generator joins two converters. What a lane's tag and the handshakes must be is asserted at both ends.
`default_nettype none
module pqk_converter_pair #(
    parameter int BITS = 1,
    parameter int LANES_IN = 2,
    parameter int LANES_OUT = 3,
    parameter int WIDE = 6
) (
    input wire                     clock,
    input wire                     reset,
    input wire                     in_valid,
    input wire [LANES_IN*BITS-1:0] in_data,
    input wire                     out_ready
);
  localparam int PLACE_BITS = 8;
  logic in_ready, wide_valid, wide_ready, out_valid;
  logic [WIDE*BITS-1:0] wide_data;
  logic [LANES_OUT*BITS-1:0] out_data;
  pqk_width_converter #(.BITS(BITS), .LANES_IN(LANES_IN), .LANES_OUT(WIDE)) widen (
      .clock, .reset, .in_valid, .in_ready, .in_data,
      .out_valid(wide_valid), .out_ready(wide_ready), .out_data(wide_data)
  );
  pqk_width_converter #(.BITS(BITS), .LANES_IN(WIDE), .LANES_OUT(LANES_OUT)) narrow (
      .clock, .reset, .in_valid(wide_valid), .in_ready(wide_ready), .in_data(wide_data),
      .out_valid, .out_ready, .out_data
  );

  (* anyseq *) wire mark;
  (* anyseq *) wire [PLACE_BITS-1:0] mark_lane;
  wire tagged;
  wire [BITS-1:0] tag;
  wire [PLACE_BITS-1:0] inside, ahead;
  pqk_stream_order #(
      .BITS(BITS), .LANES_IN(LANES_IN), .LANES_OUT(LANES_OUT), .CAPACITY(2 * WIDE), .COUNT_BITS(PLACE_BITS)
  ) order (
      .clock, .reset, .write(in_valid && in_ready), .written(in_data), .read(out_valid && out_ready), .found(out_data),
      .mark, .mark_lane, .inside, .tagged, .tag, .ahead
  );
  pqk_stream_stable #(.WIDTH(LANES_OUT * BITS)) stable (
      .clock, .reset, .valid(out_valid), .ready(out_ready), .data(out_data)
  );
  pqk_patience #(.CYCLES(1)) reader (.clock, .reset, .waits(inside >= PLACE_BITS'(WIDE) && !out_valid));
  pqk_patience #(.CYCLES(1)) writer (.clock, .reset, .waits(inside + PLACE_BITS'(LANES_IN) <= PLACE_BITS'(WIDE) && !in_ready));

  logic started = 0;
  always_ff @(posedge clock) started <= 1;
  always_comb assume (reset == !started);
endmodule
`default_nettype wire
