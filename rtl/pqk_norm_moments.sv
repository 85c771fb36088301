// Sums of a pixel of WORDS words: its sum, or 0 unless it is CENTRED, and above it SCALE * v + EPSILON, where v is the number of its
// channels times the sum of their squares, less the square of their sum.
`default_nettype none
module pqk_norm_moments #(
    parameter int BITS_IN = 8,
    parameter int WIDTH = 9,  // of the signed integers
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter INTEGERS = "",
    parameter int MIRROR = 0,  // as in `pqk_decode_pipeline`
    parameter int DECODE_STAGES = 0,
    parameter int LANES = 1,
    parameter int WORDS = 4,
    parameter int SQUARE_STAGES = 0,  // registers inside the multipliers of integers, and that of the sum
    parameter int SPREAD_STAGES = 0,
    parameter bit CENTRED = 1,
    parameter int SUM_BITS = 12,  // signed
    parameter int SPREAD_BITS = 24,  // of v: its terms are exact modulo that
    parameter int RADICAND_BITS = 30,
    parameter bit [RADICAND_BITS-1:0] SCALE = 1,
    parameter int REPEAT = 1,  // pixels of a frame, if it passes more than once
    parameter int PASSES = 1,
    parameter bit [PASSES*RADICAND_BITS-1:0] EPSILON = 1  // of each pass, the first lowest
) (
    input  wire                                clock,
    input  wire                                reset,
    input  wire                                in_valid,
    output logic                               in_ready,
    input  wire  [          LANES*BITS_IN-1:0] in_data,
    output logic                               out_valid,
    input  wire                                out_ready,
    output logic [RADICAND_BITS+SUM_BITS-1:0] out_data
);
  localparam int COUNT_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int ADDING = DECODE_STAGES + SQUARE_STAGES + 2;  // registers before the sums: of the integers and their squares too
  localparam int ENDING = SPREAD_STAGES + 4;  // a pixel: its sums, their products, v, the result
  localparam bit [SPREAD_BITS-1:0] CHANNELS = SPREAD_BITS'(WORDS * LANES);

  logic [ADDING-1:0] valid;
  logic [ENDING-1:0] ended;
  wire [ADDING:0] moving = {valid, in_valid};
  wire step = out_ready || !ended[ENDING-1];
  wire adding = step && moving[ADDING];
  wire [COUNT_BITS-1:0] word;
  wire last;
  wire first = word == 0;
  assign in_ready  = step;
  assign out_valid = ended[ENDING-1];
  pqk_counter #(.LENGTH(WORDS)) words (.clock, .reset, .advance(adding), .count(word), .last);
  always_ff @(posedge clock) begin
    if (reset) begin
      valid <= 0;
      ended <= 0;
    end else if (step) begin
      valid <= moving[ADDING-1:0];
      ended <= {ended[ENDING-2:0], moving[ADDING] && last};
    end
  end

  wire [LANES*WIDTH-1:0] integers;
  wire [LANES*2*WIDTH-1:0] squares;
  for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
    wire [WIDTH-1:0] decoded;
    logic signed [WIDTH-1:0] x;
    wire [WIDTH-1:0] beside;
    wire signed [2*WIDTH-1:0] squaring;
    logic signed [2*WIDTH-1:0] square;
    pqk_decode_pipeline #(
        .BITS(BITS_IN),
        .WIDTH(WIDTH),
        .SIGNED(SIGNED),
        .ZERO_POINT(ZERO_POINT),
        .TABLE(TABLE),
        .FILE(INTEGERS),
        .MIRROR(MIRROR),
        .STAGES(DECODE_STAGES)
    ) decoder (
        .clock,
        .enable(step),
        .code(in_data[lane*BITS_IN+:BITS_IN]),
        .integer_value(decoded)
    );
    pqk_product_integer #(
        .A(WIDTH),
        .B(WIDTH),
        .W(2 * WIDTH),
        .STAGES(SQUARE_STAGES)
    ) multiply (
        .clock,
        .enable(step),
        .a(x),
        .b(x),
        .p(squaring)
    );
    pqk_delay #(
        .WIDTH (WIDTH),
        .STAGES(SQUARE_STAGES + 1)
    ) waiting (
        .clock,
        .enable(step),
        .d(x),
        .q(beside)
    );
    always_ff @(posedge clock) begin
      if (step) begin
        x <= decoded;
        square <= squaring;
      end
    end
    assign integers[lane*WIDTH+:WIDTH] = beside;
    assign squares[lane*2*WIDTH+:2*WIDTH] = square;
  end

  logic signed [SUM_BITS-1:0] sum, sum_so_far;
  logic [SPREAD_BITS-1:0] total, total_so_far;
  always_comb begin
    sum_so_far   = first ? 0 : sum;
    total_so_far = first ? 0 : total;
    for (int lane = 0; lane < LANES; lane++) begin
      sum_so_far   = sum_so_far + SUM_BITS'($signed(integers[lane*WIDTH+:WIDTH]));
      total_so_far = total_so_far + SPREAD_BITS'(squares[lane*2*WIDTH+:2*WIDTH]);
    end
  end

  localparam int PASS_BITS = PASSES > 1 ? $clog2(PASSES) : 1;
  wire [PASS_BITS-1:0] pass;  // of the pixel that enters the radicand
  wire last_pass;
  wire unused_pass = last_pass;
  pqk_pass_address #(
      .LENGTH(1),
      .REPEAT(REPEAT),
      .PASSES(PASSES)
  ) passes (
      .clock,
      .reset,
      .advance(step && ended[ENDING-2]),
      .address(pass),
      .last(last_pass)
  );
  logic [SPREAD_BITS-1:0] squared, spread;
  wire [SPREAD_BITS-1:0] counted;
  wire signed [2*SUM_BITS-1:0] squaring;
  wire unused_square = &squaring;
  wire signed [SUM_BITS-1:0] sum_counted;
  logic signed [SUM_BITS-1:0] sum_spread, sum_out;
  logic [RADICAND_BITS-1:0] radicand;
  wire signed [SUM_BITS-1:0] centre = CENTRED ? sum : 0;
  pqk_product_integer #(
      .A(SUM_BITS),
      .B(SUM_BITS),
      .W(2 * SUM_BITS),
      .STAGES(SPREAD_STAGES)
  ) square_of_sum (
      .clock,
      .enable(step),
      .a(centre),
      .b(centre),
      .p(squaring)
  );
  pqk_delay #(
      .WIDTH (SPREAD_BITS + SUM_BITS),
      .STAGES(SPREAD_STAGES + 1)
  ) beside_square (
      .clock,
      .enable(step),
      .d({SPREAD_BITS'(total * CHANNELS), centre}),
      .q({counted, sum_counted})
  );
  always_ff @(posedge clock) begin
    if (adding) begin
      sum   <= sum_so_far;
      total <= total_so_far;
    end
    if (step) begin
      squared <= SPREAD_BITS'(squaring);
      spread <= counted - squared;
      sum_spread <= sum_counted;
      radicand <= RADICAND_BITS'(spread) * SCALE + EPSILON[pass*RADICAND_BITS+:RADICAND_BITS];
      sum_out <= sum_spread;
    end
  end
  assign out_data = {radicand, sum_out};

  if (RADICAND_BITS < SPREAD_BITS && SCALE != 0 || WORDS < 1) begin : g_illegal
    $error("a radicand that holds v was expected: RADICAND_BITS, SPREAD_BITS, WORDS");
  end
endmodule
`default_nettype wire
