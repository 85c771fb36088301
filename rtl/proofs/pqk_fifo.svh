// Proof of `pqk_fifo`, a part of it when Yosys reads it with -formal: the assertions may speak of its registers.
localparam int CAPACITY = WORDS + 1;
localparam int PLACE_BITS = 8;
(* anyseq *) wire mark;
wire tagged;
wire [WIDTH-1:0] tag;
wire [PLACE_BITS-1:0] inside, ahead;

pqk_stream_order #(.BITS(WIDTH), .CAPACITY(CAPACITY), .COUNT_BITS(PLACE_BITS)) order (
    .clock, .reset, .write, .written(in_data), .read(out_valid && out_ready), .found(out_data), .mark, .mark_lane(PLACE_BITS'(0)),
    .inside, .tagged, .tag, .ahead
);
pqk_stream_stable #(.WIDTH(WIDTH)) stable (.clock, .reset, .valid(out_valid), .ready(out_ready), .data(out_data));
pqk_patience #(.CYCLES(1)) reader (.clock, .reset, .waits(inside != 0 && !out_valid && !stall));
pqk_patience #(.CYCLES(1)) writer (.clock, .reset, .waits(inside < PLACE_BITS'(WORDS) && !in_ready && !stall));

// Lemmas, proven with the rest: how the registers count the words, and where the tagged one lies.
reg started = 0;
always_ff @(posedge clock) started <= 1;
wire [PLACE_BITS-1:0] distance = ahead - PLACE_BITS'(out_valid) + PLACE_BITS'(read_address);
wire [PLACE_BITS-1:0] place = distance < WORDS ? distance : distance - PLACE_BITS'(WORDS);
wire [PLACE_BITS-1:0] end_place = PLACE_BITS'(read_address) + PLACE_BITS'(waiting);
always_comb begin
  assume (reset == !started);
  if (!reset) begin
    assert (inside == PLACE_BITS'(waiting) + PLACE_BITS'(out_valid));
    assert (read_address < WORDS && write_address < WORDS && waiting <= WORDS);
    assert (PLACE_BITS'(write_address) == (end_place < WORDS ? end_place : end_place - PLACE_BITS'(WORDS)));
    assert (!in_ready || waiting != COUNT_BITS'(WORDS));
    if (tagged) assert ((out_valid && ahead == 0 ? out_data : memory[place[ADDRESS_BITS-1:0]]) == tag);
  end
end
