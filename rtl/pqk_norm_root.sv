// The next DIGITS binary digits of a root, one in a cycle. A word is {radicand, positive, remainder, root, sum}: what is left of
// the radicand, from its highest bits on, and what goes with it.
//
// Nothing is restored: where a digit is 0, the remainder stays negative, and the next digit adds instead of subtracting. The
// first digit of all finds a remainder of 0, which is positive.
`default_nettype none
module pqk_norm_root #(
    parameter int SUM_BITS = 12,
    parameter int ROOT_BITS = 20,
    parameter int RADICAND_BITS = 30,
    parameter int DIGITS = 4,
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
  localparam int COUNT_BITS = DIGITS > 1 ? $clog2(DIGITS) : 1;

  logic running;
  logic [BITS-1:0] word;
  wire [COUNT_BITS-1:0] digit;
  wire last, unused = &digit;
  // Where a word takes several cycles, the one before has left when this one ends, unless whoever reads waits.
  wire leaves = !out_valid || (DIGITS == 1 && out_ready);
  wire active = running && (!last || leaves);
  assign in_ready = !running || (last && leaves);
  pqk_counter #(.LENGTH(DIGITS)) digits (.clock, .reset, .advance(active), .count(digit), .last);

  wire [SUM_BITS-1:0] sum = word[SUM_BITS-1:0];
  wire [ROOT_BITS-1:0] root = word[SUM_BITS+:ROOT_BITS];
  wire [ROOT_BITS:0] remainder = word[SUM_BITS+ROOT_BITS+:ROOT_BITS+1];  // without its sign
  wire positive = word[SUM_BITS+2*ROOT_BITS+1];
  wire [RADICAND_BITS-1:0] radicand = word[BITS-1-:RADICAND_BITS];
  wire [ROOT_BITS+3:0] left;  // its sign turned, as that of the remainder is
  pqk_add_subtract #(
      .W(ROOT_BITS + 4)
  ) subtract (
      .x({positive, remainder, radicand[RADICAND_BITS-1-:2]}),
      .y({2'b00, root, !positive, 1'b1}),
      .negate(positive),
      .sum(left)
  );
  wire digit_found = left[ROOT_BITS+3];
  wire [BITS-1:0] next = {
    radicand << 2, digit_found, left[ROOT_BITS:0], root[ROOT_BITS-2:0], digit_found, sum
  };
  wire unused_high = &{left, root[ROOT_BITS-1]};

  always_ff @(posedge clock) begin
    if (in_ready) word <= in_data;
    else if (active) word <= next;
    if (active && last) out_data <= next;
    if (reset) begin
      running   <= 0;
      out_valid <= 0;
    end else begin
      if (in_ready) running <= in_valid;
      if (active && last) out_valid <= 1;
      else if (out_ready) out_valid <= 0;
    end
  end

  if (DIGITS < 1 || ROOT_BITS < 2 || RADICAND_BITS < 2) begin : g_illegal
    $error("a digit at least was expected: DIGITS, ROOT_BITS, RADICAND_BITS");
  end
endmodule
`default_nettype wire
