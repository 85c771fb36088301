// Requantiser: counts the thresholds that the integer has reached and gives the code at that place.
//
// A binary search, one comparison a bit of the result, each with a memory of its own and a stage of its own; a memory that is
// block RAM may have a register behind it, and each comparison may, before its result is an address: more stages. The thresholds
// of stage s and lane l stand in the file THRESHOLDS_<s>_<ll>.hex, one word a line, by channel and result so far; beside each of
// stage 0, in the highest bit, whether the channel falls: its place is counted from the other end.
`default_nettype none
module pqk_threshold #(
    parameter int BITS_IN = 8,
    parameter int WIDTH = 9,  // of the signed integers that are compared
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter INTEGERS = "",
    parameter int MIRROR = 0,  // as in `pqk_decode_pipeline`
    parameter int DECODE_STAGES = 0,
    parameter int BITS_OUT = 4,
    parameter int STEPS = 4,
    parameter int LANES = 1,
    parameter int DEPTH = 1,  // words of a pixel
    parameter int REPEAT = 1,  // pixels of a frame, if it passes more than once
    parameter int PASSES = 1,  // with constants of their own
    parameter int HELD = 0,  // bit s: there is a register behind the memory of stage s
    parameter bit COMPARED = 0,  // there are registers behind the comparisons
    parameter bit APART = 0,  // each lane has an enable of its own, for the fan-out of many
    parameter int LOGIC = 0,  // bit s: the memory of stage s becomes LUTs in any case, of which nothing is made a reset
    parameter THRESHOLDS = "",
    parameter CODES = ""  // 2**STEPS codes
) (
    input  wire                       clock,
    input  wire                       reset,
    input  wire                       in_valid,
    output logic                      in_ready,
    input  wire  [ LANES*BITS_IN-1:0] in_data,
    output logic                      out_valid,
    input  wire                       out_ready,
    output logic [LANES*BITS_OUT-1:0] out_data
);
  localparam int WORD_BITS = DEPTH * PASSES > 1 ? $clog2(DEPTH * PASSES) : 1;

  localparam int STAGES = DECODE_STAGES + STEPS * (1 + 32'(COMPARED)) + $countones(HELD) + 1;  // with the code
  logic [STAGES-1:0] valid;
  wire [STAGES:0] moving = {valid, in_valid};
  wire step = out_ready || !valid[STAGES-1];
  assign in_ready  = step;
  assign out_valid = valid[STAGES-1];
  always_ff @(posedge clock) begin
    if (reset) valid <= 0;
    else if (step) valid <= moving[STAGES-1:0];
  end

  wire last_word;
  wire unused_last = &{last_word, moving};
  wire [WORD_BITS-1:0] words[STEPS];  // words[s] belongs to the integer that enters stage s
  pqk_pass_address #(
      .LENGTH(DEPTH),
      .REPEAT(REPEAT),
      .PASSES(PASSES)
  ) counter (
      .clock,
      .reset,
      .advance(step && moving[DECODE_STAGES]),
      .address(words[0]),
      .last(last_word)
  );
  for (genvar s = 1; s < STEPS; s++) begin : g_word
    pqk_delay #(
        .WIDTH (WORD_BITS),
        .STAGES(1 + 32'(HELD[s-1]) + 32'(COMPARED))
    ) word (
        .clock,
        .enable(step),
        .d(words[s-1]),
        .q(words[s])
    );
  end

  generate
    for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
      localparam bit [7:0] TENS = 8'd48 + 8'(lane / 10 % 10), ONES = 8'd48 + 8'(lane % 10), HUNDREDS = 8'd48 + 8'(lane / 100);
      wire lane_step;
      if (APART) begin : g_apart
        (* keep *) logic full;  // as the last of `valid`
        (* keep *) wire moves = out_ready || !full;  // a LUT of its own, not one more level before resets that are inferred
        always_ff @(posedge clock) begin
          if (reset) full <= 0;
          else if (moves) full <= moving[STAGES-1];
        end
        assign lane_step = moves;
      end else begin : g_together
        assign lane_step = step;
      end
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
          .enable(lane_step),
          .code(in_data[lane*BITS_IN+:BITS_IN]),
          .integer_value(decoded)
      );
      for (genvar s = 0; s < STEPS; s++) begin : g_stage
        localparam bit [7:0] DIGIT = 8'd48 + 8'(s);
        localparam int ENTRIES = DEPTH * PASSES << s;
        localparam int ADDRESS_BITS = ENTRIES > 1 ? $clog2(ENTRIES) : 1;
        localparam int ENTRY_BITS = s == 0 ? WIDTH + 1 : WIDTH;
        wire signed [WIDTH-1:0] x_in, x_read, x;
        wire [STEPS-1:0] passed_in, passed_before, passed;  // the result so far, its first bit highest
        wire falls_in, falls_before, falls_read, falls;
        logic [ENTRY_BITS-1:0] memory[ENTRIES];
        logic [ENTRY_BITS-1:0] read;
        wire [ENTRY_BITS-1:0] entry;
        wire [ADDRESS_BITS-1:0] address;
        initial $readmemh({THRESHOLDS, "_", DIGIT, "_", HUNDREDS, TENS, ONES, ".hex"}, memory);
        if (LOGIC[s]) begin : g_logic
          // `x | x & other` is x. So Yosys sees no memory that it would join with the register in front, and no multiplexers that
          // it would make a reset of the one behind, whose logic is a level deeper.
          wire [ENTRY_BITS-1:0] looked_up = memory[address|address&{ADDRESS_BITS{x_in[0]}}];
          always_ff @(posedge clock) if (lane_step) read <= looked_up | looked_up & {ENTRY_BITS{x_in[0]}};
        end else begin : g_memory
          always_ff @(posedge clock) if (lane_step) read <= memory[address];
        end
        pqk_delay #(
            .WIDTH (ENTRY_BITS),
            .STAGES(32'(HELD[s]))
        ) behind (
            .clock,
            .enable(lane_step),
            .d(read),
            .q(entry)
        );
        pqk_delay #(
            .WIDTH (WIDTH + STEPS + 1),
            .STAGES(1 + 32'(HELD[s]))
        ) beside (
            .clock,
            .enable(lane_step),
            .d({x_in, passed_in, falls_in}),
            .q({x_read, passed_before, falls_before})
        );
        wire reached = x_read >= $signed(entry[WIDTH-1:0]);
        wire [STEPS-1:0] passed_read = STEPS'({passed_before, reached});
        pqk_delay #(
            .WIDTH (WIDTH + STEPS + 1),
            .STAGES(32'(COMPARED))
        ) compared (
            .clock,
            .enable(lane_step),
            .d({x_read, passed_read, falls_read}),
            .q({x, passed, falls})
        );
        if (s == 0) begin : g_first
          assign address = ADDRESS_BITS'(words[0]);
          assign x_in = decoded;
          assign passed_in = 0;
          assign falls_in = 0;
          assign falls_read = entry[WIDTH];
          wire unused = falls_before;
        end else begin : g_next
          assign address = ADDRESS_BITS'({words[s], g_stage[s-1].passed[s-1:0]});
          assign x_in = g_stage[s-1].x;
          assign passed_in = g_stage[s-1].passed;
          assign falls_in = g_stage[s-1].falls;
          assign falls_read = falls_before;
        end
      end
      wire unused_x = &g_stage[STEPS-1].x;
      logic [BITS_OUT-1:0] codes [2**STEPS];
      logic [BITS_OUT-1:0] result;
      initial $readmemh(CODES, codes);
      wire [STEPS-1:0] place = g_stage[STEPS-1].passed ^ {STEPS{g_stage[STEPS-1].falls}};
      always_ff @(posedge clock) if (lane_step) result <= codes[place];
      assign out_data[lane*BITS_OUT+:BITS_OUT] = result;
    end
  endgenerate

  if (STEPS < 1 || LANES < 1 || DEPTH < 1) begin : g_illegal
    $error("a comparison at least was expected: STEPS, LANES, DEPTH");
  end
endmodule
`default_nettype wire
