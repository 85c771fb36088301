// Processing element of the family lp: up to four weights that stand still, times one activation, added to the sums of the element
// above. Logarithms of weight and activation add, leave the logarithmic domain, and are added or subtracted.
//
// A sum is SEGMENTS segments. With `quarters` each is a lane of a weight of two bits, which is 0, 1 or -1: all lanes take the linear
// activation of unit 0. Otherwise unit 0 feeds the lower half, unit 1 the upper half, and carries run through from the first
// segment of a half to the next. A weight says for every segment whether it adds anything and whether it is negative, so that the
// element need not know more of its mode. What it adds comes four cycles after the activation.
//
// Weights have two banks: `write` fills one while the other multiplies, `swap` makes it the one that multiplies, from the
// activation of the next cycle on.
`default_nettype none
module pqk_array_lp_element #(
    parameter int LOG = 11,  // bits of a logarithm, of which FRACTION are behind the point
    parameter int FRACTION = 6,
    parameter int LOG_1 = 7,  // bits of the logarithm of unit 1's weight, the highest ones; 0: there is no unit 1
    parameter int FRACTION_1 = 2,
    parameter bit [(8<<FRACTION)-1:0] SIGNIFICANDS = '0,
    parameter int W = 40,  // of unit 0's magnitude
    parameter int W_1 = 32,
    parameter int SEGMENTS = 4,
    parameter int SEGMENT = 28,  // bits
    localparam int ACTIVATION = LOG + 2,
    localparam int WEIGHT = 2 * SEGMENTS + LOG + LOG_1,
    localparam int SUM = SEGMENTS * SEGMENT
) (
    input  wire                   clock,
    input  wire                   quarters,
    input  wire                   write,
    input  wire                   swap,
    input  wire  [    WEIGHT-1:0] weight,  // {logarithm 1, logarithm 0, negative, there}, the last two by segment
    input  wire  [ACTIVATION-1:0] activation,  // {zero, negative, logarithm}
    input  wire  [       SUM-1:0] sum_in,
    output logic [       SUM-1:0] sum
);
  logic [WEIGHT-1:0] next, weights;
  always_ff @(posedge clock) begin
    if (write) next <= weight;
    if (swap) weights <= next;
  end

  wire [SEGMENTS-1:0] there = weights[SEGMENTS-1:0] & {SEGMENTS{!activation[LOG+1]}};
  wire [SEGMENTS-1:0] minus = there & (weights[SEGMENTS+:SEGMENTS] ^ {SEGMENTS{activation[LOG]}});
  wire [SEGMENTS-1:0] adds, negative;
  pqk_delay #(.WIDTH(SEGMENTS), .STAGES(3)) signs (.clock, .enable(1'b1), .d(minus), .q(negative));
  // A unit that feeds one segment knows by itself whether there is anything to add.
  localparam bit LATE = SEGMENTS <= 2;
  wire [SEGMENTS-1:0] fed;
  if (LATE) begin : g_units
    pqk_delay #(.WIDTH(SEGMENTS), .STAGES(2)) theres (.clock, .enable(1'b1), .d(there), .q(fed));
    assign adds = '1;
  end else begin : g_segments
    assign fed = '1;
    pqk_delay #(.WIDTH(SEGMENTS), .STAGES(3)) theres (.clock, .enable(1'b1), .d(there), .q(adds));
  end

  logic [LOG:0] sum_0;
  always_ff @(posedge clock) sum_0 <= activation[LOG-1:0] + weights[2*SEGMENTS+:LOG];
  wire [W-1:0] magnitude_0;
  pqk_array_lp_unit #(.LOG(LOG + 1), .FRACTION(FRACTION), .SIGNIFICANDS(SIGNIFICANDS), .W(W), .LATE(LATE)) unit_0 (
      .clock, .logarithm(sum_0), .there(fed[0]), .magnitude(magnitude_0)
  );

  // Where the lower half of the segments ends, and the upper half as it would be beside it.
  localparam int HALF = SEGMENTS > 1 ? SEGMENTS / 2 : 1;
  wire [HALF*SEGMENT-1:0] lower = (HALF * SEGMENT)'(magnitude_0);
  wire [SUM-1:0] halves;
  if (LOG_1 > 0) begin : g_unit_1
    localparam int SKIPPED = FRACTION - FRACTION_1;
    wire [LOG_1-1:0] log_1 = weights[2*SEGMENTS+LOG+:LOG_1];
    logic [LOG:0] sum_1;
    always_ff @(posedge clock) sum_1 <= (LOG + 1)'(activation[LOG-1:0]) + ((LOG + 1)'(log_1) << SKIPPED);
    wire [W_1-1:0] magnitude_1;
    pqk_array_lp_unit #(.LOG(LOG + 1), .FRACTION(FRACTION), .SIGNIFICANDS(SIGNIFICANDS), .W(W_1), .LATE(LATE)) unit_1 (
        .clock, .logarithm(sum_1), .there(fed[SEGMENTS-1]), .magnitude(magnitude_1)
    );
    assign halves = {(HALF * SEGMENT)'(magnitude_1), lower};
  end else begin : g_one_unit
    assign halves = SUM'(lower);
  end

  // Below each segment stands one place more, which brings in a carry where a lane begins and passes it on elsewhere.
  for (genvar half = 0; half < SEGMENTS / HALF; half++) begin : g_half
    localparam int BITS = HALF * (SEGMENT + 1);
    wire [BITS-1:0] x, y;
    wire [BITS-1:0] total = x + y;
    for (genvar i = 0; i < HALF; i++) begin : g_segment
      localparam int S = half * HALF + i;
      wire [SEGMENT-1:0] term = quarters ? lower[SEGMENT-1:0] : halves[S*SEGMENT+:SEGMENT];
      wire begins = i == 0 || quarters;
      assign x[i*(SEGMENT+1)+:SEGMENT+1] = {sum_in[S*SEGMENT+:SEGMENT], begins ? negative[S] : 1'b1};
      assign y[i*(SEGMENT+1)] = begins && negative[S];
      assign y[i*(SEGMENT+1)+1+:SEGMENT] = (term & {SEGMENT{adds[S]}}) ^ {SEGMENT{negative[S]}};
      always_ff @(posedge clock) sum[S*SEGMENT+:SEGMENT] <= total[i*(SEGMENT+1)+1+:SEGMENT];
      wire unused = total[i*(SEGMENT+1)];
    end
  end

  if ((SEGMENTS == 1) != (LOG_1 == 0) || W > HALF * SEGMENT || W_1 > HALF * SEGMENT || FRACTION_1 > FRACTION) begin : g_illegal
    $error("magnitudes that fit half of the segments were expected: W, W_1, SEGMENTS, SEGMENT");
  end
endmodule
`default_nettype wire
