// A logarithm to the magnitude that it stands for: the fraction passes the log-to-linear table that is part of the format's
// definition, the whole part shifts; LATE as for pqk_array_shift.
`default_nettype none
module pqk_array_lp_unit #(
    parameter int LOG = 12,  // bits of the logarithm
    parameter int FRACTION = 6,
    parameter bit [(8<<FRACTION)-1:0] SIGNIFICANDS = '0,  // 2**f in units of 2**-7, fraction 0 lowest
    parameter int W = 40,  // of the magnitude; logarithms are such that nothing is shifted out
    parameter bit LATE = 0
) (
    input  wire            clock,
    input  wire  [LOG-1:0] logarithm,
    input  wire            there,  // a cycle behind the logarithm; without it the magnitude is zero
    output logic [  W-1:0] magnitude  // of the logarithm two cycles ago
);
  wire [7:0] significand;
  pqk_table #(.BITS(FRACTION), .WIDTH(8), .TABLE(SIGNIFICANDS)) table_of_powers (
      .clock(1'b0), .enable(1'b0), .index(logarithm[FRACTION-1:0]), .entry(significand)
  );
  pqk_array_shift #(.SHIFT(LOG - FRACTION), .W(W), .LATE(LATE)) by_whole_part (
      .clock, .number(significand), .shift(logarithm[LOG-1:FRACTION]), .there, .magnitude
  );

  if (FRACTION < 1 || LOG <= FRACTION || W < 8) begin : g_illegal
    $error("logarithms with a whole part and a fraction, and magnitudes of a byte, were expected: LOG, FRACTION, W");
  end
endmodule
`default_nettype wire
