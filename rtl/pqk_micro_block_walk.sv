// Where what micro-blocks of weights share lies, word of weights by word, a step behind the word's address: `address` is that of
// pqk_matrix_vector, `flags` are those of the word of a step before, out of a memory with a registered read. Each lane has a memory of
// what its micro-blocks with outliers have, in the order in which they come, so its place counts flags. A word of exponents serves
// REPEAT times FOLDS words, the last of them perhaps fewer: those of FOLDS words of inputs come again for every PE outputs of a
// macro-block.
`default_nettype none
module pqk_micro_block_walk #(
    parameter int DEPTH = 16,  // words of weights
    parameter int FOLDS = 4,
    parameter int REPEAT = 4,
    parameter int EXPONENT_DEPTH = 4,  // words of exponents
    parameter int LANES = 4,
    parameter int PLACE = 3,  // bits of a place
    localparam int ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1,
    localparam int EXPONENT_ADDRESS_BITS = EXPONENT_DEPTH > 1 ? $clog2(EXPONENT_DEPTH) : 1,
    localparam int FOLD_BITS = FOLDS > 1 ? $clog2(FOLDS) : 1,
    localparam int TIME_BITS = REPEAT > 1 ? $clog2(REPEAT) : 1
) (
    input  wire                              clock,
    input  wire                              reset,
    input  wire                              enable,
    input  wire  [         ADDRESS_BITS-1:0] address,
    input  wire  [                LANES-1:0] flags,
    output logic [EXPONENT_ADDRESS_BITS-1:0] exponent_address,
    output logic [          LANES*PLACE-1:0] places
);
  logic [ADDRESS_BITS-1:0] at;  // of the flags: an address may stay for several steps
  logic [FOLD_BITS-1:0] fold;
  logic [TIME_BITS-1:0] times;
  wire moves = enable && address != at;
  wire begins = address == 0;
  wire fold_ends = fold == FOLD_BITS'(FOLDS - 1);
  wire times_end = times == TIME_BITS'(REPEAT - 1);
  always_ff @(posedge clock) begin
    if (reset) begin
      at <= '0;
      fold <= '0;
      times <= '0;
      exponent_address <= '0;
      places <= '0;
    end else if (moves) begin
      at <= address;
      fold <= begins || fold_ends ? '0 : fold + 1'b1;
      if (begins || fold_ends) times <= begins || times_end ? '0 : times + 1'b1;
      if (begins) exponent_address <= '0;
      else if (fold_ends && !times_end) exponent_address <= exponent_address - EXPONENT_ADDRESS_BITS'(FOLDS - 1);
      else exponent_address <= exponent_address + 1'b1;
      for (int l = 0; l < LANES; l++) places[PLACE*l+:PLACE] <= begins ? '0 : places[PLACE*l+:PLACE] + PLACE'(flags[l]);
    end
  end
endmodule
`default_nettype wire
