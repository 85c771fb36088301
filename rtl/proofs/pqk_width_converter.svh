// Proof of `pqk_width_converter`, a part of it when Yosys reads it with -formal: the assertions may speak of its registers.
localparam int PLACE_BITS = 8;
localparam int CAPACITY = LANES_IN > LANES_OUT ? LANES_IN : LANES_OUT;
(* anyseq *) wire mark;
(* anyseq *) wire [PLACE_BITS-1:0] mark_lane;
wire tagged;
wire [BITS-1:0] tag;
wire [PLACE_BITS-1:0] inside, ahead;

pqk_stream_order #(
    .BITS(BITS), .LANES_IN(LANES_IN), .LANES_OUT(LANES_OUT), .CAPACITY(CAPACITY), .COUNT_BITS(PLACE_BITS)
) order (
    .clock, .reset, .write(take), .written(in_data), .read(out_valid && out_ready), .found(out_data), .mark, .mark_lane,
    .inside, .tagged, .tag, .ahead
);
pqk_stream_stable #(.WIDTH(LANES_OUT * BITS)) stable (.clock, .reset, .valid(out_valid), .ready(out_ready), .data(out_data));
pqk_patience #(.CYCLES(0)) reader (.clock, .reset, .waits(inside >= PLACE_BITS'(LANES_OUT) && !out_valid));
pqk_patience #(.CYCLES(0)) writer (.clock, .reset, .waits(inside + LANES_IN <= CAPACITY && !in_ready));

// Lemmas, proven with the rest: what the counter means, and where the tagged lane lies. The lanes held end at the upper end while
// words are widened, and begin at the lower one while they are narrowed.
localparam int UNIT = LANES_IN > LANES_OUT ? LANES_OUT : LANES_IN;
localparam int HELD_LANES = RATIO * UNIT;
wire [PLACE_BITS-1:0] first = LANES_IN > LANES_OUT ? 0 : PLACE_BITS'(HELD_LANES) - inside;
reg started = 0;
always_ff @(posedge clock) started <= 1;
always_comb begin
  assume (reset == !started);
  if (!reset) begin
    assert (inside == PLACE_BITS'(count) * UNIT);
    assert (count <= RATIO);
    if (tagged) assert (held[(first+ahead)*BITS+:BITS] == tag);
  end
end
