// The next DIGITS binary digits of a root, one in a cycle. A word is {radicand, remainder, root, sum}: what is left of the
// radicand, from its highest bits on, and what goes with it.
`default_nettype none
module pqk_norm_root #(
    parameter int SUM_BITS = 12,
    parameter int ROOT_BITS = 20,
    parameter int RADICAND_BITS = 30,
    parameter int DIGITS = 4,
    localparam int BITS = RADICAND_BITS + 2 * ROOT_BITS + 1 + SUM_BITS
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
  wire [COUNT_BITS-1:0] digit;
  wire last, unused = &digit;
  assign in_ready = !running && (out_ready || !out_valid);
  wire active = running || (in_valid && in_ready);
  pqk_counter #(.LENGTH(DIGITS)) digits (.clock, .reset, .advance(active), .count(digit), .last);

  wire [BITS-1:0] word = running ? out_data : in_data;
  wire [SUM_BITS-1:0] sum = word[SUM_BITS-1:0];
  wire [ROOT_BITS-1:0] root = word[SUM_BITS+:ROOT_BITS];
  wire [ROOT_BITS:0] remainder = word[SUM_BITS+ROOT_BITS+:ROOT_BITS+1];
  wire [RADICAND_BITS-1:0] radicand = word[BITS-1-:RADICAND_BITS];
  wire [ROOT_BITS+3:0] rest = {1'b0, remainder, radicand[RADICAND_BITS-1-:2]};
  wire [ROOT_BITS+3:0] less = rest - {2'b00, root, 2'b01};
  wire fits = !less[ROOT_BITS+3];
  wire [ROOT_BITS:0] left = fits ? less[ROOT_BITS:0] : rest[ROOT_BITS:0];
  wire unused_high = &{less, root[ROOT_BITS-1]};

  always_ff @(posedge clock) begin
    if (active) out_data <= {radicand << 2, left, {root[ROOT_BITS-2:0], fits}, sum};
    if (reset) begin
      running   <= 0;
      out_valid <= 0;
    end else begin
      if (active) running <= !last;
      if (active) out_valid <= last;
      else if (out_ready) out_valid <= 0;
    end
  end

  if (DIGITS < 1 || ROOT_BITS < 2 || RADICAND_BITS < 2) begin : g_illegal
    $error("a digit at least was expected: DIGITS, ROOT_BITS, RADICAND_BITS");
  end
endmodule
`default_nettype wire
