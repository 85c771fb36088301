// A logarithm to the magnitude that it stands for: the fraction passes the log-to-linear table that is part of the format's
// definition, the whole part shifts: first by its lowest four bits, then by the others, with a register behind either.
`default_nettype none
module pqk_array_lp_unit #(
    parameter int LOG = 12,  // bits of the logarithm
    parameter int FRACTION = 6,
    parameter bit [(8<<FRACTION)-1:0] SIGNIFICANDS = '0,  // 2**f in units of 2**-7, fraction 0 lowest
    parameter int W = 40  // of the magnitude; logarithms are such that nothing is shifted out
) (
    input  wire            clock,
    input  wire  [LOG-1:0] logarithm,
    output logic [  W-1:0] magnitude  // of the logarithm two cycles ago
);
  localparam int SHIFT = LOG - FRACTION;
  localparam int NEAR = W < 23 ? W : 23;  // of a significand that is shifted by up to 15
  localparam int LOW = SHIFT < 4 ? SHIFT : 4;
  wire [7:0] significand;
  pqk_table #(.BITS(FRACTION), .WIDTH(8), .TABLE(SIGNIFICANDS)) table_of_powers (
      .clock(1'b0), .enable(1'b0), .index(logarithm[FRACTION-1:0]), .entry(significand)
  );
  wire [SHIFT-1:0] shift = logarithm[LOG-1:FRACTION];
  logic [NEAR-1:0] near;
  always_ff @(posedge clock) near <= NEAR'(significand) << shift[LOW-1:0];
  if (SHIFT > 4) begin : g_far
    logic [SHIFT-5:0] far;
    always_ff @(posedge clock) begin
      far <= shift[SHIFT-1:4];
      magnitude <= W'(near) << {far, 4'b0};
    end
  end else begin : g_near
    always_ff @(posedge clock) magnitude <= W'(near);
  end

  if (FRACTION < 1 || LOG <= FRACTION || W < 8) begin : g_illegal
    $error("logarithms with a whole part and a fraction, and magnitudes of a byte, were expected: LOG, FRACTION, W");
  end
endmodule
`default_nettype wire
