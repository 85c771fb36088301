// Channels of each pixel in another order, some perhaps several times or never. One pixel comes in while the last one leaves.
//
// A register holds which channels the next word takes, another one the word.
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
  localparam int COUNT_BITS = WORDS_IN > 1 ? $clog2(WORDS_IN) : 1;
  localparam int PLACE_BITS = WORDS_OUT > 1 ? $clog2(WORDS_OUT) : 1;

  logic [LANES_OUT*INDEX_BITS-1:0] order[WORDS_OUT];
  initial $readmemh(ORDER, order);

  logic [CHANNELS_IN*BITS-1:0] coming, leaving;
  logic full;  // a whole pixel has come
  logic busy;  // a pixel is leaving
  logic known;  // which channels the next word takes
  logic ends;  // with it a pixel
  logic [LANES_OUT*INDEX_BITS-1:0] indices;
  wire give = busy && (out_ready || !out_valid);
  wire move = full && (!busy || (ends && give));
  assign in_ready = !full || move;
  wire take = in_valid && in_ready;
  wire [(CHANNELS_IN+LANES_IN)*BITS-1:0] shifted = {in_data, coming};
  wire unused = &shifted;

  wire came, last;
  wire [COUNT_BITS-1:0] count;
  wire [PLACE_BITS-1:0] place;
  wire unused_count = &count;
  pqk_counter #(.LENGTH(WORDS_IN)) words (.clock, .reset, .advance(take), .count, .last(came));
  wire look = give || !known;
  pqk_counter #(.LENGTH(WORDS_OUT)) places (.clock, .reset, .advance(look), .count(place), .last);

  always_ff @(posedge clock) begin
    if (take) coming <= shifted[(CHANNELS_IN+LANES_IN)*BITS-1:LANES_IN*BITS];
    if (move) leaving <= coming;
    if (look) indices <= order[place];
    if (look) ends <= last;
  end
  always_ff @(posedge clock) begin
    if (reset) begin
      full <= 0;
      busy <= 0;
      known <= 0;
      out_valid <= 0;
    end else begin
      known <= 1;
      if (take && came) full <= 1;
      else if (move) full <= 0;
      if (move) busy <= 1;
      else if (ends && give) busy <= 0;
      if (give) out_valid <= 1;
      else if (out_ready) out_valid <= 0;
    end
  end

  generate
    for (genvar lane = 0; lane < LANES_OUT; lane++) begin : g_lane
      wire [INDEX_BITS-1:0] index = indices[lane*INDEX_BITS+:INDEX_BITS];
      always_ff @(posedge clock) if (give) out_data[lane*BITS+:BITS] <= leaving[index*BITS+:BITS];
    end
  endgenerate

  if (CHANNELS_IN % LANES_IN != 0 || CHANNELS_OUT % LANES_OUT != 0) begin : g_illegal
    $error("lanes that divide the channels were expected: LANES_IN, LANES_OUT");
  end
endmodule
`default_nettype wire
