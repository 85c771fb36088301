// Processing element for numbers with a linear significand, minifloats and posits, to be compared with those of the families; no machine
// has it. Weights that stand still, LANES of them, times one activation, each added to a sum of its own of the element above.
//
// Edges, which are not here, decode codes to {zero, negative, exponent, significand}: a number is significand << exponent, in units
// of the smallest. Banks, registers and latency are those of pqk_array_lp_element.
`default_nettype none
module pqk_array_float_element #(
    parameter int EXPONENT = 4,
    parameter int SIGNIFICAND = 4,
    parameter int W = 36,  // of a product's magnitude
    parameter int LANES = 1,
    parameter int LANE = 40,  // of a sum
    localparam int NUMBER = EXPONENT + SIGNIFICAND + 2
) (
    input  wire                     clock,
    input  wire                     write,
    input  wire                     swap,
    input  wire  [LANES*NUMBER-1:0] weight,
    input  wire  [      NUMBER-1:0] activation,
    input  wire  [  LANES*LANE-1:0] sum_in,
    output logic [  LANES*LANE-1:0] sum
);
  logic [LANES*NUMBER-1:0] next, weights;
  always_ff @(posedge clock) begin
    if (write) next <= weight;
    if (swap) weights <= next;
  end

  for (genvar i = 0; i < LANES; i++) begin : g_lane
    wire [NUMBER-1:0] mine = weights[i*NUMBER+:NUMBER];
    wire there = !mine[NUMBER-1] && !activation[NUMBER-1];
    wire minus = there && (mine[NUMBER-2] ^ activation[NUMBER-2]);
    wire adds, negative;
    pqk_delay #(.STAGES(2)) theres (.clock, .enable(1'b1), .d(there), .q(adds));
    pqk_delay #(.STAGES(3)) signs (.clock, .enable(1'b1), .d(minus), .q(negative));

    logic [2*SIGNIFICAND-1:0] product;
    logic [EXPONENT:0] exponent;
    always_ff @(posedge clock) begin
      product  <= (2 * SIGNIFICAND)'(mine[SIGNIFICAND-1:0]) * (2 * SIGNIFICAND)'(activation[SIGNIFICAND-1:0]);
      exponent <= (EXPONENT + 1)'(mine[SIGNIFICAND+:EXPONENT]) + (EXPONENT + 1)'(activation[SIGNIFICAND+:EXPONENT]);
    end
    wire [W-1:0] magnitude;
    pqk_array_shift #(.N(2 * SIGNIFICAND), .SHIFT(EXPONENT + 1), .W(W), .LATE(1)) by_exponent (
        .clock, .number(product), .shift(exponent), .there(adds), .magnitude
    );
    // One place more below brings in the carry of what is subtracted.
    wire [LANE:0] total = {sum_in[i*LANE+:LANE], negative} + {LANE'(magnitude) ^ {LANE{negative}}, negative};
    always_ff @(posedge clock) sum[i*LANE+:LANE] <= total[LANE:1];
    wire unused = total[0];
  end

  if (LANES < 1 || W < 2 * SIGNIFICAND || LANE <= W) begin : g_illegal
    $error("lanes that are wider than a product were expected: LANES, LANE, W, SIGNIFICAND");
  end
endmodule
`default_nettype wire
