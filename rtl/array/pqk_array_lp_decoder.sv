// What pqk_array_lp_activation looks up, from a code's fields instead: sign, a run of at most RS equal bits, an exponent and a fraction
// that are one number. Word length, sizes and the logarithm of the smallest number come from registers, so that a format is data here,
// too, as long as it is a Logarithmic Posit. The number comes three cycles after the code.
//
// No machine has it: it is there to be measured beside the table.
`default_nettype none
module pqk_array_lp_decoder #(
    localparam int BITS = 8,  // of a code at most
    localparam int FRACTION = 6,  // of a logarithm
    localparam int LOG = 11
) (
    input  wire            clock,
    input  wire [     2:0] missing,  // bits that a code has less than BITS
    input  wire [     2:0] exponent_size,  // es, at most 5
    input  wire [     2:0] regime_size,  // rs, at least 1
    input  wire [ LOG-1:0] smallest,  // minus the logarithm of the smallest number, modulo 2**LOG
    input  wire [BITS-1:0] code,
    output logic [LOG+1:0] number  // {zero, negative, logarithm}
);
  wire [BITS-1:0] word = code << missing;
  wire [BITS-2:0] magnitude = word[BITS-1] ? -word[BITS-2:0] : word[BITS-2:0];
  logic [BITS-2:0] body, differs;  // from the first bit
  logic zero, negative;
  always_ff @(posedge clock) begin
    body <= magnitude;
    differs <= magnitude ^ {(BITS - 1) {magnitude[BITS-2]}};
    zero <= magnitude == 0;  // Not a Real, too
    negative <= word[BITS-1];
  end

  // The run ends where a bit differs from the first one, or with the regime's size.
  wire first = body[BITS-2];
  logic [2:0] run;
  logic ends;  // by another bit, which is part of the regime
  always_comb begin
    {run, ends} = {regime_size, 1'b0};
    for (int i = BITS - 3; i >= 0; i--) begin
      if (3'(BITS - 2 - i) < regime_size && !ends && differs[i]) {run, ends} = {3'(BITS - 2 - i), 1'b1};
    end
  end
  wire [BITS-2:0] rest = body << ({1'b0, run} + 4'(ends));
  wire signed [3:0] regime = first ? {1'b0, run} - 1'b1 : -{1'b0, run};
  logic [LOG-1:0] both;
  logic [1:0] flags;
  always_ff @(posedge clock) begin
    both   <= {(LOG - FRACTION)'(regime), rest[BITS-2:1]};
    flags  <= {zero, negative && !zero};
    number <= {flags, (both << exponent_size) + smallest};
  end
  wire unused = rest[0] ^ differs[BITS-2];
endmodule
`default_nettype wire
