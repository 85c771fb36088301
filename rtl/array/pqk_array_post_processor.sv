// Post-processor of SERVED columns, one a cycle: a lane of the accumulator times its multiplier, plus its offset, added up over the
// terms of a result; then a search among boundaries, two cycles for each of 8 steps, and the code of the place that is found.
//
// `sums` and `parameters` are those of all columns, and stay for the SERVED cycles of a step. y comes SCALED cycles after the cycle
// of its column, the code CODED cycles.
`default_nettype none
module pqk_array_post_processor #(
    parameter int SERVED = 4,
    parameter int SEGMENTS = 4,
    parameter int SEGMENT = 28,
    parameter int LANE = 33,
    parameter int X = 48,  // bits of a lane, of a multiplier, and of an offset, a scaled sum and a boundary
    parameter int M = 32,
    parameter int Y = 64,
    parameter MEMORY = "auto",
    localparam int WIDTH = SEGMENTS * LANE,
    localparam int PHASE = $clog2(SERVED),
    localparam int STEPS = 8
) (
    input  wire                         clock,
    input  wire  [2*SERVED*WIDTH-1:0]   sums,  // both banks of each column
    input  wire  [SERVED*(M+Y)-1:0]     parameters,  // {offset, multiplier} of each
    input  wire                         bank,  // these three and the next two stay for the whole instruction
    input  wire                         quarters,
    input  wire                         halves,
    input  wire                         maximum,
    input  wire  [            3:0]      stages,
    input  wire  [      PHASE-1:0]      phase,
    input  wire  [            1:0]      lane,
    input  wire                         first,  // term of a result
    input  wire                         write_boundary,
    input  wire                         write_code,
    input  wire  [            7:0]      index,
    input  wire  [          Y-1:0]      entry,
    output logic signed [   Y-1:0]      y,
    output logic [            7:0]      code
);
  // ---- a column, then a lane of it
  wire [2*WIDTH-1:0] column = sums[phase*2*WIDTH+:2*WIDTH];
  logic [WIDTH-1:0] found;
  logic [1:0] lane_held;
  logic [M+Y-1:0] pair;
  always_ff @(posedge clock) begin
    found <= bank ? column[WIDTH+:WIDTH] : column[0+:WIDTH];
    lane_held <= lane;
    pair <= parameters[phase*(M+Y)+:M+Y];
  end
  logic signed [X-1:0] x;
  if (SEGMENTS > 2) begin : g_quarters
    wire signed [LANE-1:0] quarter = found[lane_held*LANE+:LANE];
    wire [LANE+SEGMENT-1:0] low = {found[LANE+:LANE], found[0+:SEGMENT]};
    wire [LANE+SEGMENT-1:0] high = {found[3*LANE+:LANE], found[2*LANE+:SEGMENT]};
    wire signed [LANE+SEGMENT-1:0] half = halves && lane_held[0] ? high : low;
    always_ff @(posedge clock) x <= quarters ? X'(quarter) : X'(half);
    wire unused = &half;
  end else if (SEGMENTS > 1) begin : g_halves
    wire signed [LANE-1:0] half = halves && lane_held[0] ? found[LANE+:LANE] : found[0+:LANE];
    always_ff @(posedge clock) x <= X'(half);
    wire unused = &{quarters, lane_held};
  end else begin : g_one
    wire signed [LANE-1:0] one = found;
    always_ff @(posedge clock) x <= X'(one);
    wire unused = &{quarters, halves, lane_held};
  end

  // ---- scaled: four products as wide as DSPs are
  localparam int XL = X / 2, ML = M / 2;
  logic signed [M-1:0] m;
  logic [Y-1:0] o, o_held, o_late;
  logic [XL+ML-1:0] low_low;
  logic signed [X-XL+ML:0] high_low;
  logic signed [XL+M-ML:0] low_high;
  logic signed [X-XL+M-ML-1:0] high_high;
  logic signed [X+ML:0] by_low, by_low_held;
  logic signed [X+M-ML:0] by_high;
  logic [Y-1:0] raised, scaled;
  wire signed [X-XL-1:0] x_high = x[X-1:XL];
  wire signed [M-ML-1:0] m_high = m[M-1:ML];
  wire signed [XL:0] x_low = {1'b0, x[XL-1:0]};
  wire signed [ML:0] m_low = {1'b0, m[ML-1:0]};
  always_ff @(posedge clock) begin
    {o, m} <= pair;
    {o_held, o_late} <= {o, o_held};
    low_low <= x[XL-1:0] * m[ML-1:0];
    high_low <= (X - XL + ML + 1)'(x_high) * (X - XL + ML + 1)'(m_low);
    low_high <= (XL + M - ML + 1)'(x_low) * (XL + M - ML + 1)'(m_high);
    high_high <= (X - XL + M - ML)'(x_high) * (X - XL + M - ML)'(m_high);
    by_low <= ((X + ML + 1)'(high_low) <<< XL) + (X + ML + 1)'({1'b0, low_low});
    by_high <= ((X + M - ML + 1)'(high_high) <<< XL) + (X + M - ML + 1)'(low_high);
    by_low_held <= by_low;
    raised <= (Y'(by_high) <<< ML) + o_late;
    scaled <= raised + Y'(by_low_held);
  end

  wire unused_tops = &{by_low_held, by_high, g_step[STEPS-1].y_out};

  // ---- added up: what was there for this column a step ago
  localparam int SCALED = 7;
  wire [Y-1:0] so_far;
  wire anew;
  pqk_delay #(.WIDTH(1), .STAGES(SCALED - 1)) firsts (.clock, .enable(1'b1), .d(first || maximum), .q(anew));
  pqk_delay #(.WIDTH(Y), .STAGES(SERVED - 1)) sums_before (.clock, .enable(1'b1), .d(y), .q(so_far));
  always_ff @(posedge clock) y <= scaled + (anew ? '0 : so_far);

  // ---- the search: boundary j decides in the step of as many trailing zeros as j + 1 has
  for (genvar s = 0; s < STEPS; s++) begin : g_step
    localparam int AT = s > 0 ? s : 1;
    wire signed [Y-1:0] y_in;
    logic signed [Y-1:0] y_held, y_out;
    wire [AT-1:0] place_in;
    logic [AT-1:0] place_held;
    logic [s:0] place;
    wire [Y-1:0] boundary;
    wire [8:0] next = {1'b0, index} + 9'd1;
    wire mine = next[STEPS-1-s] && (next & 9'((1 << (STEPS - 1 - s)) - 1)) == 0;
    if (s == 0) begin : g_first
      assign y_in = y;
      assign place_in = '0;
    end else begin : g_later
      assign y_in = g_step[s-1].y_out;
      assign place_in = g_step[s-1].place;
    end
    pqk_array_memory #(.WIDTH(Y), .DEPTH(1 << s), .MEMORY(s < 6 ? "lut" : MEMORY)) boundaries (
        .clock, .write(write_boundary && mine), .write_address(AT'(next >> (STEPS - s))), .write_data(entry), .read(1'b1),
        .address(place_in), .data(boundary)
    );
    wire reached = stages > 4'(STEPS - 1 - s) && y_held >= $signed(boundary);
    always_ff @(posedge clock) begin
      {y_out, y_held} <= {y_held, y_in};
      place_held <= place_in;
      place <= (s + 1)'({place_held, reached});
    end
  end

  // ---- the largest of several, and its code
  logic [7:0] largest;
  wire [7:0] place = g_step[STEPS-1].place, best;
  wire alone;
  pqk_delay #(.WIDTH(1), .STAGES(SCALED + 2 * STEPS)) alones (.clock, .enable(1'b1), .d(first || !maximum), .q(alone));
  pqk_delay #(.WIDTH(8), .STAGES(SERVED - 1)) best_before (.clock, .enable(1'b1), .d(largest), .q(best));
  always_ff @(posedge clock) largest <= alone || place > best ? place : best;
  pqk_array_memory #(.WIDTH(8), .DEPTH(256), .MEMORY("lut")) codes (
      .clock, .write(write_code), .write_address(index), .write_data(entry[7:0]), .read(1'b1), .address(largest), .data(code)
  );
endmodule
`default_nettype wire
