// Proof of `pqk_fork_stream`, a part of it when Yosys reads it with -formal: it holds nothing, so a word that enters leaves unchanged
// at every reader in the same cycle, none leaves otherwise, and it enters as soon as all can take it.
always_comb begin
  assert (out_data == {READERS{in_data}});
  assert ((out_valid & out_ready) == {READERS{in_valid && in_ready}});
  assert ((out_valid & ~out_ready) == 0);
  assert (in_ready == (out_ready == {READERS{1'b1}}));
end
