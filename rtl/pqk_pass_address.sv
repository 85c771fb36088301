// Addresses of constants that are read again and again: those of a pass, LENGTH words, REPEAT times, then those of the next pass, and
// behind the last of PASSES those of the first. With one pass it is a counter. `last` says that LENGTH words end.
`default_nettype none
module pqk_pass_address #(
    parameter  int LENGTH = 4,
    parameter  int REPEAT = 1,
    parameter  int PASSES = 1,
    localparam int WORDS  = LENGTH * PASSES,
    localparam int BITS   = WORDS > 1 ? $clog2(WORDS) : 1
) (
    input  wire             clock,
    input  wire             reset,
    input  wire             advance,
    output logic [BITS-1:0] address,
    output logic            last
);
  generate
    if (PASSES > 1) begin : g_passes
      localparam int WORD_BITS = LENGTH > 1 ? $clog2(LENGTH) : 1;
      localparam int REPEAT_BITS = REPEAT > 1 ? $clog2(REPEAT) : 1;
      wire [WORD_BITS-1:0] word;
      wire [REPEAT_BITS-1:0] times;
      wire last_time;
      wire unused = &{word, times};
      logic [BITS-1:0] base;  // of the pass
      wire [BITS-1:0] next = address == BITS'(WORDS - 1) ? 0 : address + 1;
      pqk_counter #(.LENGTH(LENGTH)) words (.clock, .reset, .advance, .count(word), .last);
      pqk_counter #(
          .LENGTH(REPEAT)
      ) repeats (
          .clock,
          .reset,
          .advance(advance && last),
          .count(times),
          .last(last_time)
      );
      always_ff @(posedge clock) begin
        if (reset) begin
          address <= 0;
          base <= 0;
        end else if (advance) begin
          address <= last && !last_time ? base : next;
          if (last && last_time) base <= next;
        end
      end
    end else begin : g_counter
      pqk_counter #(.LENGTH(LENGTH)) words (.clock, .reset, .advance, .count(address), .last);
    end
  endgenerate

  if (LENGTH < 1 || REPEAT < 1 || PASSES < 1) begin : g_illegal
    $error("a word, once, in a pass at least was expected: LENGTH, REPEAT, PASSES");
  end
endmodule
`default_nettype wire
