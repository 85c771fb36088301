// The next DIGITS binary digits of a root, one in PARTS cycles. A word is {radicand, positive, remainder, root, sum}: what is left
// of the radicand, from its highest bits on, and what goes with it.
//
// Nothing is restored: where a digit is 0, the remainder stays negative, and the next digit adds instead of subtracting. The
// first digit of all finds a remainder of 0, which is positive. Of several PARTS of a sum each has a cycle of its own, from the
// lowest on, so that no carry chain is longer.
`default_nettype none
module pqk_norm_root #(
    parameter int SUM_BITS = 12,
    parameter int ROOT_BITS = 20,
    parameter int RADICAND_BITS = 30,
    parameter int DIGITS = 4,
    parameter int FOUND = ROOT_BITS,  // digits that are known behind this block: no number has more
    parameter int PARTS = 1,
    localparam int BITS = RADICAND_BITS + 2 * ROOT_BITS + 2 + SUM_BITS
) (
    input  wire             clock,
    input  wire             reset,
    input  wire             in_valid,
    output logic            in_ready,
    input  wire  [BITS-1:0] in_data,
    output logic            out_valid,
    input  wire             out_ready,
    output logic [BITS-1:0] out_data
);
  localparam int PART_BITS = PARTS > 1 ? $clog2(PARTS) : 1;
  localparam int COUNT_BITS = DIGITS > 1 ? $clog2(DIGITS) : 1;
  localparam int ADDED = FOUND + 4;  // bits of a sum
  localparam int CHUNK = (ADDED + PARTS - 1) / PARTS;
  // Bits of the radicand that are left in front of this block, and behind it; those below are zeros.
  localparam int LIVE = RADICAND_BITS > 2 * (FOUND - DIGITS) ? RADICAND_BITS - 2 * (FOUND - DIGITS) : 0;
  localparam int LATER = RADICAND_BITS > 2 * FOUND ? RADICAND_BITS - 2 * FOUND : 0;
  localparam bit [2*RADICAND_BITS-1:0] ONES = {{RADICAND_BITS{1'b1}}, {RADICAND_BITS{1'b0}}};  // that are moved down

  logic running;
  logic [BITS-1:0] word;
  wire [PART_BITS-1:0] part;
  wire [COUNT_BITS-1:0] digit;
  wire last_part, last_digit, unused = &{part, digit, word};
  // Where a word takes several cycles, the one before has left when this one ends, unless whoever reads waits.
  wire leaves = !out_valid || (DIGITS * PARTS == 1 && out_ready);
  wire last = last_part && last_digit;
  wire active = running && (!last || leaves);
  assign in_ready = !running || (last && leaves);
  pqk_counter #(.LENGTH(PARTS)) parts (.clock, .reset, .advance(active), .count(part), .last(last_part));
  pqk_counter #(
      .LENGTH(DIGITS)
  ) digits (
      .clock,
      .reset,
      .advance(active && last_part),
      .count(digit),
      .last(last_digit)
  );

  wire [SUM_BITS-1:0] sum = word[SUM_BITS-1:0];
  wire [FOUND-1:0] root = word[SUM_BITS+:FOUND];
  wire [FOUND:0] remainder = word[SUM_BITS+ROOT_BITS+:FOUND+1];  // without its sign
  wire positive = word[SUM_BITS+2*ROOT_BITS+1];
  wire [RADICAND_BITS-1:0] radicand = word[BITS-1-:RADICAND_BITS] & RADICAND_BITS'(ONES >> LIVE);
  wire [ADDED-1:0] minuend = {positive, remainder, radicand[RADICAND_BITS-1-:2]};
  wire [ADDED-1:0] subtrahend = {2'b00, root, !positive, 1'b1};
  wire [ADDED-1:0] left;  // its sign turned, as that of the remainder is
  for (genvar i = 0; i < PARTS; i++) begin : g_part
    localparam int LOW = i * CHUNK;
    localparam int N = i < PARTS - 1 ? CHUNK : ADDED - LOW;
    wire carry_in;
    wire [N+1:0] all;  // as in `pqk_add_subtract`, with a carry
    assign all = {1'b0, minuend[LOW+:N], carry_in} - {1'b1, ~(subtrahend[LOW+:N] ^ {N{positive}}), 1'b1};
    if (i == 0) begin : g_lowest
      assign carry_in = positive;
    end else begin : g_higher
      assign carry_in = g_part[i-1].g_held.held[CHUNK+1];
    end
    if (i < PARTS - 1) begin : g_held
      logic [N+1:0] held;  // the word stands still while its parts are added
      wire unused_lowest = held[0];
      always_ff @(posedge clock) held <= all;
      assign left[LOW+:N] = held[N:1];
    end else begin : g_last
      wire unused_ends = &all;
      assign left[LOW+:N] = all[N:1];
    end
  end
  wire digit_found = left[ADDED-1];
  wire [ROOT_BITS:0] next_remainder = (ROOT_BITS + 1)'({{(ROOT_BITS + 1) {!digit_found}}, left[FOUND:0]});
  wire [FOUND-1:0] next_root = FOUND'({root, digit_found});
  wire [BITS-1:0] next = {radicand << 2, digit_found, next_remainder, ROOT_BITS'(next_root), sum};
  wire unused_high = &left;

  always_ff @(posedge clock) begin
    if (in_ready) word <= in_data;
    else if (active && last_part) word <= next;
    if (active && last) out_data <= {next[BITS-1-:RADICAND_BITS] & RADICAND_BITS'(ONES >> LATER), next[BITS-RADICAND_BITS-1:0]};
    if (reset) begin
      running   <= 0;
      out_valid <= 0;
    end else begin
      if (in_ready) running <= in_valid;
      if (active && last) out_valid <= 1;
      else if (out_ready) out_valid <= 0;
    end
  end

  if (DIGITS < 1 || FOUND < DIGITS || ROOT_BITS < FOUND || ROOT_BITS < 2 || RADICAND_BITS < 2) begin : g_illegal
    $error("a digit at least, of those that are found, was expected: DIGITS, FOUND, ROOT_BITS, RADICAND_BITS");
  end
  if (PARTS < 1 || (PARTS - 1) * CHUNK >= ADDED) begin : g_illegal_parts
    $error("parts of a bit at least were expected: PARTS, FOUND");
  end
endmodule
`default_nettype wire
