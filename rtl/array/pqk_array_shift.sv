// A number times a power of two: it is shifted by the lowest four bits of `shift`, then by steps of 16, with a register behind the first
// shift.
//
// The second one has a register behind it, or with LATE one for each step, which stays zero for the others: then a place of the
// magnitude is that of two registers at most, and whoever adds it does so in the same LUTs.
`default_nettype none
module pqk_array_shift #(
    parameter int N = 8,  // bits of the number, at most 17
    parameter int SHIFT = 6,
    parameter int W = 40,  // of the magnitude; nothing is shifted out
    parameter bit LATE = 0
) (
    input  wire              clock,
    input  wire  [    N-1:0] number,
    input  wire  [SHIFT-1:0] shift,
    input  wire              there,  // a cycle behind the number; without it the magnitude is zero
    output logic [    W-1:0] magnitude  // two cycles behind it
);
  localparam int NEAR = W < N + 15 ? W : N + 15;
  localparam int LOW = SHIFT < 4 ? SHIFT : 4;
  localparam int MOST = SHIFT > 4 ? (W - N) / 16 : 0;  // steps
  localparam int FAR = MOST > 0 ? $clog2(MOST + 1) : 1;
  logic [NEAR-1:0] near;
  logic [FAR-1:0] far;
  always_ff @(posedge clock) begin
    near <= NEAR'(number) << shift[LOW-1:0];
    far  <= FAR'((SHIFT + 4)'(shift) >> 4);
  end

  if (LATE) begin : g_late
    wire [W-1:0] parts[MOST+1];  // one of them, or none, is not zero
    for (genvar s = 0; s <= MOST; s++) begin : g_step
      logic [NEAR-1:0] part;
      always_ff @(posedge clock) part <= there && (MOST == 0 || far == FAR'(s)) ? near : '0;
      assign parts[s] = W'((MOST * 16 + NEAR)'(part) << 16 * s);
    end
    always_comb begin
      magnitude = '0;
      for (int s = 0; s <= MOST; s++) magnitude |= parts[s];
    end
  end else begin : g_early
    always_ff @(posedge clock) magnitude <= there ? W'(near) << {far, 4'b0} : '0;
  end
  wire unused = &far;

  if (N < 1 || N > 17 || SHIFT < 1 || W < N) begin : g_illegal
    $error("a number of at most 17 bits, and a magnitude at least as wide, were expected: N, SHIFT, W");
  end
endmodule
`default_nettype wire
