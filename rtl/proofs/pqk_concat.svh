// Proof of `pqk_concat`, a part of it when Yosys reads it with -formal: it holds nothing, so a word that enters leaves unchanged in
// the same cycle and from no other stream than the one whose turn it is, by a count of our own; it enters as soon as it can leave.
localparam int TURN_BITS = 8;
logic [TURN_BITS-1:0] turn;
wire first_turn = turn < TURN_BITS'(FIRST_WORDS);
wire first_taken = first_valid && first_ready;
wire second_taken = second_valid && second_ready;
always_ff @(posedge clock)
  if (reset) turn <= 0;
  else if (first_taken || second_taken)
    turn <= turn == TURN_BITS'(FIRST_WORDS + SECOND_WORDS - 1) ? 0 : turn + TURN_BITS'(1);

logic started = 0;
always_ff @(posedge clock) started <= 1;
logic first_held, second_held;
logic [BITS-1:0] first_kept, second_kept;
always_ff @(posedge clock) begin
  {first_held, second_held} <= {first_valid && !first_ready && !reset, second_valid && !second_ready && !reset};
  {first_kept, second_kept} <= {first_data, second_data};
end
pqk_stream_stable #(.WIDTH(BITS)) stable (.clock, .reset, .valid(out_valid), .ready(out_ready), .data(out_data));
always_comb begin
  assume (reset == !started);
  assume (!first_held || (first_valid && first_data == first_kept));
  assume (!second_held || (second_valid && second_data == second_kept));
  if (!reset) begin
    assert (turn == TURN_BITS'(count));
    assert (!first_taken || first_turn);
    assert (!second_taken || !first_turn);
    assert ((out_valid && out_ready) == (first_taken || second_taken));
    assert (!out_valid || out_data == (first_turn ? first_data : second_data));
    assert (out_valid == (first_turn ? first_valid : second_valid));
    assert ((first_turn ? first_ready : second_ready) == out_ready);
  end
end
