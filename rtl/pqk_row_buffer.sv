// Rows of WORDS words, each of which leaves while the next one comes, so that what is known of a row at its end goes with it.
//
// In the cycle of `move` a whole row has come and its first word is read: whoever has added it up keeps that now. `step` says
// that what stands behind moves on.
`default_nettype none
module pqk_row_buffer #(
    parameter int BITS  = 8,
    parameter int WORDS = 4
) (
    input  wire             clock,
    input  wire             reset,
    input  wire             in_valid,
    output logic            in_ready,
    input  wire  [BITS-1:0] in_data,
    output logic            take,      // a word comes
    output logic            first,     // of its row
    output logic            move,
    input  wire             step,
    output logic            out_valid,
    output logic [BITS-1:0] out_data
);
  localparam int ADDRESS_BITS = $clog2(2 * WORDS);
  localparam int WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1;

  logic [BITS-1:0] memory[2*WORDS];  // rows come into its halves in turn, and leave them so
  logic full;  // a row has come that does not leave yet
  logic busy;  // a row is leaving
  logic begins;  // full, and not busy
  wire [ADDRESS_BITS-1:0] written, left;
  wire [WORD_BITS-1:0] coming, going;
  wire came, gone, last_written, last_left;
  assign move = begins && step;
  assign in_ready = !full || move;
  assign take = in_valid && in_ready;
  wire read = step && (busy || full);
  wire full_next = (take && came) || (full && !move);
  wire busy_next = read ? !gone : busy;
  wire unused = &{coming, going, last_written, last_left};
  pqk_counter #(
      .LENGTH(2 * WORDS)
  ) writes (
      .clock,
      .reset,
      .advance(take),
      .count(written),
      .last(last_written)
  );
  pqk_counter #(
      .LENGTH(2 * WORDS)
  ) reads (
      .clock,
      .reset,
      .advance(read),
      .count(left),
      .last(last_left)
  );
  pqk_counter #(.LENGTH(WORDS)) words_in (.clock, .reset, .advance(take), .count(coming), .last(came));
  pqk_counter #(.LENGTH(WORDS)) words_out (.clock, .reset, .advance(read), .count(going), .last(gone));

  always_ff @(posedge clock) begin
    if (in_valid) memory[written] <= in_data;  // its word is free, taken or not: a row that leaves has left its first
    if (read) out_data <= memory[left];
  end
  always_ff @(posedge clock) begin
    if (reset) begin
      full <= 0;
      busy <= 0;
      begins <= 0;
      first <= 1;
      out_valid <= 0;
    end else begin
      if (take) first <= came;
      full <= full_next;
      busy <= busy_next;
      begins <= full_next && !busy_next;
      if (step) out_valid <= read;
    end
  end

  if (WORDS < 1) begin : g_illegal
    $error("a word at least was expected: WORDS");
  end
endmodule
`default_nettype wire
