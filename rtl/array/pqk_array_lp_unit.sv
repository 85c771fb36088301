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
  // A bit of all significands is a constant of 2**FRACTION bits that is indexed: one LUT, and a shift in a simulation.
  wire [7:0] significand;
  for (genvar b = 0; b < 8; b++) begin : g_bit
    wire [2**FRACTION-1:0] column;
    for (genvar f = 0; f < 2 ** FRACTION; f++) begin : g_fraction
      assign column[f] = SIGNIFICANDS[8*f+b];
    end
    assign significand[b] = column[logarithm[FRACTION-1:0]];
  end
  pqk_array_shift #(.SHIFT(LOG - FRACTION), .W(W), .LATE(LATE)) by_whole_part (
      .clock, .number(significand), .shift(logarithm[LOG-1:FRACTION]), .there, .magnitude
  );

  if (FRACTION < 1 || LOG <= FRACTION || W < 8) begin : g_illegal
    $error("logarithms with a whole part and a fraction, and magnitudes of a byte, were expected: LOG, FRACTION, W");
  end
endmodule
`default_nettype wire
