// Proof of `pqk_add`, a part of it when Yosys reads it with -formal, for factors of one: words of both streams enter together, and
// the sum of those that entered together leaves, neither lost nor doubled nor overtaken.
localparam int PLACE_BITS = 8;
(* anyseq *) wire mark;
wire tagged;
wire [SUM_BITS-1:0] tag;
wire [PLACE_BITS-1:0] inside, ahead;
wire signed [LEFT_BITS-1:0] left_integer = left_data;
wire signed [RIGHT_BITS-1:0] right_integer = right_data;
wire [SUM_BITS-1:0] expected = SUM_BITS'(left_integer) + SUM_BITS'(right_integer);
wire taken = left_valid && left_ready;

pqk_stream_order #(.BITS(SUM_BITS), .CAPACITY(2), .COUNT_BITS(PLACE_BITS)) order (
    .clock, .reset, .write(taken), .written(expected), .read(out_valid && out_ready), .found(out_data), .mark,
    .mark_lane(PLACE_BITS'(0)), .inside, .tagged, .tag, .ahead
);
pqk_stream_stable #(.WIDTH(SUM_BITS)) stable (.clock, .reset, .valid(out_valid), .ready(out_ready), .data(out_data));
pqk_patience #(.CYCLES(1)) reader (.clock, .reset, .waits(inside != 0 && !out_valid));
pqk_patience #(.CYCLES(0)) writer (.clock, .reset, .waits(both && out_ready && !taken));

logic started = 0;
always_ff @(posedge clock) started <= 1;
always_comb begin
  assume (reset == !started);
  if (!reset) begin
    assert (inside == PLACE_BITS'(valid[0]) + PLACE_BITS'(valid[1]));
    assert (taken == (right_valid && right_ready));
    // Lemma: where the tagged sum lies.
    if (tagged) assert ((valid[1] && ahead == 0 ? sums : left_products + right_products) == tag);
  end
end
