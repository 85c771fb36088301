// Proof of `pqk_from_axis`, a part of it when Yosys reads it with -formal: of every beat that is taken the word and TLAST have left
// once each, unchanged, and a beat is taken as soon as both have.
reg started = 0;
always_ff @(posedge clock) started <= 1;
logic held;
logic [BEAT_BITS:0] kept;
always_ff @(posedge clock) begin
  held <= tvalid && !tready && !reset;
  kept <= {tlast, tdata};
end
always_comb begin
  assume (reset == !started);
  if (held) assume (tvalid && {tlast, tdata} == kept);
  if (!reset) begin
    assert (!(word_gone && last_gone) && (tvalid || !(word_gone || last_gone)));
    assert (held || !(word_gone || last_gone));
    if (tvalid && tready) begin
      assert (word_gone != (out_valid && out_ready));
      assert (last_gone != (last_valid && last_ready));
    end
    if (tvalid && !tready) assert ((!word_gone && !out_ready) || (!last_gone && !last_ready));
    assert (out_data == tdata[WIDTH-1:0] && last_data == tlast);
  end
end
pqk_stream_stable #(.WIDTH(WIDTH)) word_stable (.clock, .reset, .valid(out_valid), .ready(out_ready), .data(out_data));
pqk_stream_stable #(.WIDTH(1)) last_stable (.clock, .reset, .valid(last_valid), .ready(last_ready), .data(last_data));
