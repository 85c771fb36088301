// Proof of `pqk_transpose`: what is read at a place is the word that was taken for it, though words are written while they wait.
(* anyconst *) wire [ADDRESS_BITS-1:0] place;
reg started = 0;
reg fresh = 0;  // a word was taken for the place, and not read yet
reg [BITS-1:0] taken;
always_ff @(posedge clock) begin
  started <= 1;
  if (!reset && take && write_address == place) begin
    taken <= in_data;
    fresh <= 1;
  end else if (reset || (read && read_address == place)) fresh <= 0;
end
always_comb begin
  assume (reset == !started);
  if (!reset) begin
    if (read && read_address == place) assert (fresh);
    if (fresh) assert (memory[place] == taken);
    if (!reset && take && write_address == place) assert (!fresh || (read && read_address == place));
  end
end
