// Codes of a norm: (channels * x - sum) * gain, FRACTION_BITS up, and offset * root, among limits that are each times UNIT times the
// root. The sum and the root of a pixel are those of a word of `pqk_norm_root`, taken with the first word of the pixel.
`default_nettype none
module pqk_norm_codes #(
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
    parameter int REPEAT = 1,  // pixels of a frame, if it passes more than once
    parameter int PASSES = 1,  // with constants of their own
    parameter int SUM_BITS = 12,
    parameter int RADICAND_BITS = 30,
    parameter int ROOT_BITS = 20,
    parameter int FRACTION_BITS = 8,
    parameter int MOVED_BITS = 12,  // of channels * x - sum, signed
    parameter int GAIN_BITS = 8,
    parameter int OFFSET_BITS = 8,
    parameter int SCALE_STAGES = 0,  // registers inside the multipliers of gains and offsets
    parameter int BITS = 40,  // of the signed numbers that are compared
    parameter int SUM_CHUNK = BITS,  // of roots times offsets and of the sum those bits that are added at once, as in `pqk_product_wide`
    parameter CONSTANTS = "",  // a word holds {offset, gain} of each lane
    parameter bit [LANES*(GAIN_BITS+OFFSET_BITS)-1:0] CONSTANT = 0,  // the word if it is the only one
    parameter int TOTAL_BITS = 20,
    parameter bit [TOTAL_BITS-1:0] UNIT = 1,
    parameter int LIMIT_BITS = 9,
    parameter int BITS_OUT = 4,
    parameter int STEPS = 4,
    parameter bit IN_TURN = 0,  // as in `pqk_row_search`: a word comes every STEPS steps
    parameter int MULTIPLY_STAGES = 0,
    parameter int HELD = 0,
    parameter int CHUNK = BITS,  // as in `pqk_row_search`
    parameter LIMITS = "",
    parameter CODES = "",
    localparam int ROOT_WORD = RADICAND_BITS + 2 * ROOT_BITS + 2 + SUM_BITS
) (
    input  wire                           clock,
    input  wire                           reset,
    input  wire                           in_valid,
    output logic                          in_ready,
    input  wire  [     LANES*BITS_IN-1:0] in_data,
    input  wire                           root_valid,
    output logic                          root_ready,
    input  wire  [         ROOT_WORD-1:0] root_data,
    output logic                          out_valid,
    input  wire                           out_ready,
    output logic [    LANES*BITS_OUT-1:0] out_data
);
  localparam int COMPARING = MULTIPLY_STAGES + HELD + (BITS + CHUNK - 1) / CHUNK + 3;
  localparam int SEARCH = STEPS * (IN_TURN ? (COMPARING + STEPS - 2) / STEPS * STEPS + 1 : COMPARING) + 1;
  localparam int PARTS = (BITS + SUM_CHUNK - 1) / SUM_CHUNK;
  localparam int SUMMED = DECODE_STAGES + SCALE_STAGES + PARTS + 3;  // steps: the distance in two, the products and their sum
  localparam int STAGES = SUMMED + SEARCH;
  localparam int TURN_BITS = STEPS > 1 ? $clog2(STEPS) : 1;
  localparam int WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int CONSTANT_ADDRESS_BITS = WORDS * PASSES > 1 ? $clog2(WORDS * PASSES) : 1;
  localparam int CONSTANT_BITS = GAIN_BITS + OFFSET_BITS;
  localparam int SCALED_BITS = MOVED_BITS + GAIN_BITS;
  localparam int WIDE = 48;  // a gain of more bits is recoded: rows of so many are slow
  localparam int SHIFTED_BITS = ROOT_BITS + OFFSET_BITS;
  localparam int SHIFTED_TOP = SHIFTED_BITS > (PARTS - 1) * SUM_CHUNK ? SHIFTED_BITS - (PARTS - 1) * SUM_CHUNK : 1;
  localparam bit signed [MOVED_BITS-1:0] CHANNELS = MOVED_BITS'(WORDS * LANES);

  wire [WORD_BITS-1:0] word_in;
  wire [CONSTANT_ADDRESS_BITS-1:0] word;
  wire last_in, last;
  logic first;  // word of its pixel
  logic [STAGES-1:0] valid;
  wire step;  // from a register: it enables all that follows
  wire [LANES*BITS_OUT-1:0] found;
  wire is_turn;  // whether a word may come
  wire [TURN_BITS-1:0] turn;  // in the search
  wire go = step && is_turn && in_valid && (root_valid || !first);
  wire [STAGES:0] moving = {valid, go};
  wire unused = &{moving, word_in, word, last, root_data};
  assign in_ready = step && is_turn && (root_valid || !first);
  assign root_ready = step && is_turn && in_valid && first;
  pqk_skid #(
      .WIDTH(LANES * BITS_OUT)
  ) room (
      .clock,
      .reset,
      .in_valid(valid[STAGES-1]),
      .in_ready(step),
      .in_data(found),
      .out_valid,
      .out_ready,
      .out_data
  );
  pqk_counter #(.LENGTH(WORDS)) words_in (.clock, .reset, .advance(go), .count(word_in), .last(last_in));
  pqk_pass_address #(
      .LENGTH(WORDS),
      .REPEAT(REPEAT),
      .PASSES(PASSES)
  ) words (
      .clock,
      .reset,
      .advance(step && moving[DECODE_STAGES+1]),
      .address(word),
      .last
  );
  if (IN_TURN) begin : g_turns  // from the first word on
    logic begun, comes;
    wire [TURN_BITS-1:0] turn_in;
    wire last_turn;
    wire advance = step && (begun || go);
    pqk_counter #(.LENGTH(STEPS)) turns (.clock, .reset, .advance, .count(turn_in), .last(last_turn));
    pqk_delay #(
        .WIDTH (TURN_BITS),
        .STAGES(SUMMED)
    ) summing (
        .clock,
        .enable(step),
        .d(turn_in),
        .q(turn)
    );
    always_ff @(posedge clock) begin
      if (reset) begun <= 0;
      else if (go) begun <= 1;
      if (reset) comes <= 1;
      else if (advance) comes <= last_turn;
    end
    assign is_turn = comes;
  end else begin : g_always
    assign is_turn = 1;
    assign turn = 0;
  end
  logic [ROOT_BITS+SUM_BITS-1:0] held;
  wire [ROOT_BITS+SUM_BITS-1:0] entering = first ? root_data[ROOT_BITS+SUM_BITS-1:0] : held;
  wire [SUM_BITS-1:0] sum;
  wire [ROOT_BITS-1:0] root;
  logic [ROOT_BITS-1:0] root_moved;
  wire [ROOT_BITS-1:0] root_scaled;
  logic [TOTAL_BITS-1:0] total;
  pqk_delay #(
      .WIDTH (ROOT_BITS + SUM_BITS),
      .STAGES(DECODE_STAGES + 1)
  ) decoding (
      .clock,
      .enable(step),
      .d(entering),
      .q({root, sum})
  );
  pqk_delay #(
      .WIDTH (ROOT_BITS),
      .STAGES(SCALE_STAGES + PARTS)
  ) scaling (
      .clock,
      .enable(step),
      .d(root_moved),
      .q(root_scaled)
  );
  always_ff @(posedge clock) begin
    if (reset) valid <= 0;
    else if (step) valid <= moving[STAGES-1:0];
    if (go) held <= entering;
    if (reset) first <= 1;
    else if (go) first <= last_in;
    if (step) begin
      root_moved <= root;
      total <= TOTAL_BITS'(root_scaled) * UNIT;
    end
  end

  wire [LANES*CONSTANT_BITS-1:0] constants;
  pqk_rom #(
      .WIDTH(LANES * CONSTANT_BITS),
      .DEPTH(WORDS * PASSES),
      .FILE (CONSTANTS),
      .VALUE(CONSTANT)
  ) constant_rom (
      .clock,
      .enable (step),
      .address(word),
      .data   (constants)
  );

  for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
    wire [WIDTH-1:0] decoded;
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
    logic signed [MOVED_BITS-1:0] counted, moved;  // once for each channel, and from the sum on
    wire signed [SCALED_BITS-1:0] scaling_up;
    logic signed [SCALED_BITS-1:0] scaled;
    wire [BITS-1:0] gained = BITS'(scaled) <<< FRACTION_BITS;
    wire [PARTS*SUM_CHUNK-1:0] shifted;
    wire signed [SHIFTED_TOP-1:0] shifted_top;
    wire unused_part = &shifted;  // the last one
    wire signed [BITS-1:0] x;
    if (GAIN_BITS > WIDE) begin : g_rows_of_gain
      pqk_product_booth #(
          .A(MOVED_BITS),
          .B(GAIN_BITS),
          .W(SCALED_BITS),
          .STAGES(SCALE_STAGES)
      ) scale (
          .clock,
          .enable(step),
          .a(moved),
          .b(constants[lane*CONSTANT_BITS+:GAIN_BITS]),
          .p(scaling_up)
      );
    end else begin : g_rows_of_narrower
      pqk_product_integer #(
          .A(MOVED_BITS),
          .B(GAIN_BITS),
          .W(SCALED_BITS),
          .STAGES(SCALE_STAGES)
      ) scale (
          .clock,
          .enable(step),
          .a(moved),
          .b(constants[lane*CONSTANT_BITS+:GAIN_BITS]),
          .p(scaling_up)
      );
    end
    pqk_product_wide #(
        .A(ROOT_BITS),
        .B(OFFSET_BITS),
        .CHUNK(SUM_CHUNK),
        .PARTS(PARTS),
        .STAGES(SCALE_STAGES)
    ) shift (
        .clock,
        .reset,
        .enable(step),
        .a(root_moved),
        .b(constants[lane*CONSTANT_BITS+GAIN_BITS+:OFFSET_BITS]),
        .parts(shifted),
        .top(shifted_top)
    );
    always_ff @(posedge clock) begin
      if (step) begin
        counted <= CHANNELS * MOVED_BITS'($signed(decoded));
        moved <= counted - MOVED_BITS'($signed(sum));
        scaled <= scaling_up;
      end
    end
    for (genvar k = 0; k < PARTS; k++) begin : g_part  // of the sum, each a step behind the one below
      localparam int LOW = k * SUM_CHUNK;
      localparam int N = k < PARTS - 1 ? SUM_CHUNK : BITS - LOW;
      wire [N-1:0] left, right;
      wire carry_in;
      logic [N:0] added;  // with a carry
      wire [N+1:0] both = {1'b0, left, carry_in} + {1'b0, right, carry_in};  // two of a carry below make one
      wire unused_lowest = both[0];
      pqk_delay #(
          .WIDTH (N),
          .STAGES(k)
      ) gain (
          .clock,
          .enable(step),
          .d(gained[LOW+:N]),
          .q(left)
      );
      if (k < PARTS - 1) begin : g_below
        assign right = shifted[LOW+:N];
      end else begin : g_top
        assign right = N'(shifted_top);
      end
      if (k == 0) begin : g_lowest
        assign carry_in = 0;
      end else begin : g_higher
        assign carry_in = g_part[k-1].added[SUM_CHUNK];
      end
      always_ff @(posedge clock) if (step) added <= both[N+1:1];
      wire unused_carry = added[N];
      pqk_delay #(
          .WIDTH (N),
          .STAGES(PARTS - 1 - k)
      ) waiting (
          .clock,
          .enable(step),
          .d(added[N-1:0]),
          .q(x[LOW+:N])
      );
    end
    pqk_row_search #(
        .BITS(BITS),
        .TOTAL_BITS(TOTAL_BITS),
        .LIMIT_BITS(LIMIT_BITS),
        .BITS_OUT(BITS_OUT),
        .STEPS(STEPS),
        .MULTIPLY_STAGES(MULTIPLY_STAGES),
        .HELD(HELD),
        .CHUNK(CHUNK),
        .IN_TURN(IN_TURN),
        .LIMITS(LIMITS),
        .CODES(CODES)
    ) search (
        .clock,
        .reset,
        .enable(step),
        .turn,
        .x,
        .total,
        .code(found[lane*BITS_OUT+:BITS_OUT])
    );
  end
endmodule
`default_nettype wire
