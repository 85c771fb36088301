// Channels of each pixel in another order, some perhaps several times or never. One pixel comes in while the last one leaves.
`default_nettype none
module pqk_permute #(
    parameter int BITS = 4,
    parameter int CHANNELS_IN = 4,
    parameter int CHANNELS_OUT = 4,
    parameter int LANES_IN = 1,
    parameter int LANES_OUT = 1,
    parameter ORDER = "",  // for each output word the input channels of its lanes, INDEX_BITS bits each
    localparam int INDEX_BITS = CHANNELS_IN > 1 ? $clog2(CHANNELS_IN) : 1
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
  localparam int WORDS_IN = CHANNELS_IN / LANES_IN;
  localparam int WORDS_OUT = CHANNELS_OUT / LANES_OUT;
  localparam int COUNT_BITS = $clog2(WORDS_IN + 1);
  localparam int PLACE_BITS = WORDS_OUT > 1 ? $clog2(WORDS_OUT) : 1;

  logic [LANES_OUT*INDEX_BITS-1:0] order[WORDS_OUT];
  initial $readmemh(ORDER, order);

  logic [CHANNELS_IN*BITS-1:0] coming, leaving;
  logic [COUNT_BITS-1:0] count;  // words of the coming pixel
  logic [PLACE_BITS-1:0] place;
  logic busy;  // a pixel is leaving
  wire last = place == PLACE_BITS'(WORDS_OUT - 1);
  wire move = count == COUNT_BITS'(WORDS_IN) && (!busy || (last && out_ready));
  assign in_ready = count != COUNT_BITS'(WORDS_IN) || move;
  wire take = in_valid && in_ready;
  wire [(CHANNELS_IN+LANES_IN)*BITS-1:0] shifted = {in_data, coming};
  wire unused = &shifted;

  always_ff @(posedge clock) begin
    if (take) coming <= shifted[(CHANNELS_IN+LANES_IN)*BITS-1:LANES_IN*BITS];
    if (move) leaving <= coming;
  end
  always_ff @(posedge clock) begin
    if (reset) begin
      count <= 0;
      place <= 0;
      busy  <= 0;
    end else begin
      if (move) count <= COUNT_BITS'(take);
      else if (take) count <= count + 1;
      if (busy && out_ready) place <= last ? 0 : place + 1;
      if (move) busy <= 1;
      else if (last && out_ready) busy <= 0;
    end
  end

  assign out_valid = busy;
  generate
    for (genvar lane = 0; lane < LANES_OUT; lane++) begin : g_lane
      wire [INDEX_BITS-1:0] index = order[place][lane*INDEX_BITS+:INDEX_BITS];
      assign out_data[lane*BITS+:BITS] = leaving[index*BITS+:BITS];
    end
  endgenerate

  if (CHANNELS_IN % LANES_IN != 0 || CHANNELS_OUT % LANES_OUT != 0) begin : g_illegal
    $error("lanes that divide the channels were expected: LANES_IN, LANES_OUT");
  end
endmodule
`default_nettype wire
