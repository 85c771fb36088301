// Matrix-vector unit: windows times weights, summed exactly; PE outputs and SIMD inputs a cycle, without a gap.
//
// A window comes as FOLDS words, once for every PE outputs. Weights lie outside, behind a memory port, in the order of use,
// [group][output fold][input fold][PE][SIMD], and start again with every pixel. A cycle with `read` is a step, and nothing outside
// may move in any other cycle: READ_STAGES steps after an `address`, the source must give its word. A pqk_rom of as many stages
// is such a source, and so is any memory that has been written. Products are made outside too, so that any pair of formats can
// be plugged in: PRODUCT_STAGES steps after `left` stands beside its weights, `products` must be one times the other for each PE
// and lane, or minus that where `negate` was set beside them: the adders subtract then, which saves a carry chain for every
// product.
//
// Weights in blocks have exponents behind a port of the same kind, one for every block of each PE and kernel position. SEGMENT
// lanes lie in one block whichever word it is: their products are summed, then shifted, then the segments are added. A word
// of exponents serves SPAN words of weights, in which HELD blocks of BLOCK lanes begin; a kernel position has ROW words.
`default_nettype none
module pqk_matrix_vector #(
    parameter int LEFT_BITS = 4,
    parameter int PRODUCT_BITS = 8,
    parameter bit SIGNS = 0,  // whether `negate` is ever set
    parameter int SUM_BITS = 16,
    parameter int PE = 1,
    parameter int SIMD = 1,  // products of each PE that come a cycle
    parameter int LANES = SIMD,  // inputs a cycle: SIMD that all PE share, PE * SIMD (depthwise), or what the products make of them
    parameter int FOLDS = 4,
    parameter int DEPTH = 16,  // words of weights of a pass, FOLDS * outputs / PE
    parameter int REPEAT = 1,  // windows of a frame, if it passes more than once
    parameter int PASSES = 1,  // with weights of their own
    parameter int READ_STAGES = 2,
    parameter int PRODUCT_STAGES = 1,
    parameter int EXPONENT_BITS = 0,  // 0 for weights without exponents; what follows then says nothing
    parameter int EXPONENT_DEPTH = 1,  // words of exponents
    parameter int BLOCK = SIMD,
    parameter int SEGMENT = SIMD,
    parameter int HELD = 1,
    parameter int SPAN = 1,
    parameter int ROW = 1,
    localparam int ADDRESS_BITS = DEPTH * PASSES > 1 ? $clog2(DEPTH * PASSES) : 1,
    localparam int EXPONENT_ADDRESS_BITS = EXPONENT_DEPTH > 1 ? $clog2(EXPONENT_DEPTH) : 1,
    localparam int EXPONENTS_BITS = EXPONENT_BITS > 0 ? PE * HELD * EXPONENT_BITS : 1
) (
    input  wire                              clock,
    input  wire                              reset,
    input  wire                              in_valid,
    output logic                             in_ready,
    input  wire  [      LANES*LEFT_BITS-1:0] in_data,
    output logic [      LANES*LEFT_BITS-1:0] left,
    output logic                             read,
    output logic [         ADDRESS_BITS-1:0] address,
    output logic [EXPONENT_ADDRESS_BITS-1:0] exponent_address,  // read as `address`
    input  wire  [       EXPONENTS_BITS-1:0] exponents,
    input  wire  [ PE*SIMD*PRODUCT_BITS-1:0] products,
    input  wire  [              PE*SIMD-1:0] negate,
    output logic                             out_valid,
    input  wire                              out_ready,
    output logic [          PE*SUM_BITS-1:0] out_data
);
  if (FOLDS < 1 || DEPTH % FOLDS != 0 || SIMD % SEGMENT != 0) begin : g_illegal
    $error("words of weights for whole windows, of whole segments, were expected: DEPTH, FOLDS, SIMD, SEGMENT");
  end
  if (READ_STAGES < 1 || PRODUCT_STAGES < 0) begin : g_illegal_stages
    $error("a step at least from address to weights was expected: READ_STAGES, PRODUCT_STAGES");
  end

  localparam int LOW = $clog2(EXPONENT_BITS > 0 ? SEGMENT : SIMD);  // levels of adders before the shift
  localparam int HIGH = EXPONENT_BITS > 0 ? $clog2(SIMD / SEGMENT) : 0;
  localparam int TERM_STAGES = READ_STAGES + PRODUCT_STAGES + 1;  // steps until they are held
  localparam int STAGES = TERM_STAGES + LOW + HIGH + (EXPONENT_BITS > 0 ? 2 : 1);  // tree, shift, tree, sum
  localparam int TERM_BITS = PRODUCT_BITS < SUM_BITS ? PRODUCT_BITS : SUM_BITS;
  localparam int FOLD_BITS = FOLDS > 1 ? $clog2(FOLDS) : 1;

  wire [FOLD_BITS-1:0] fold;
  logic [STAGES-1:0] valid;  // by steps since the input came, less one; the highest: a sum that is whole
  logic [STAGES-2:0] first, last;
  // The whole pipeline moves, or nothing does. What is counted goes by a copy, which has not the fan-out of thousands.
  (* keep *) logic full;
  wire step = out_ready || !out_valid;
  wire moves = out_ready || !full;
  wire ends = valid[STAGES-2] && last[STAGES-2];
  assign in_ready = moves;

  wire last_word, last_fold;
  wire [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0] word;
  pqk_counter #(
      .LENGTH(DEPTH)
  ) words (
      .clock,
      .reset,
      .advance(moves && in_valid),
      .count(word),
      .last(last_word)
  );
  if (PASSES > 1) begin : g_passes
    wire last_of_pass;
    wire unused_word = &{word, last_of_pass};
    pqk_pass_address #(
        .LENGTH(DEPTH),
        .REPEAT(REPEAT),
        .PASSES(PASSES)
    ) all_words (
        .clock,
        .reset,
        .advance(moves && in_valid),
        .address,
        .last(last_of_pass)
    );
  end else begin : g_once
    assign address = word;
  end
  pqk_counter #(
      .LENGTH(FOLDS)
  ) folds (
      .clock,
      .reset,
      .advance(moves && in_valid),
      .count(fold),
      .last(last_fold)
  );
  wire unused_last = last_word;

  assign read = step;
  pqk_delay #(
      .WIDTH (LANES * LEFT_BITS),
      .STAGES(READ_STAGES)
  ) operands (
      .clock,
      .enable(step),
      .d(in_data),
      .q(left)
  );

  // The last stage holds a finished sum only every FOLDS words; between them nothing is valid at the output.
  always_ff @(posedge clock) begin
    if (reset) begin  // of flags too: a shift register in LUTs, which has none, would be slow to drive a whole sum
      valid <= 0;
      full  <= 0;
      first <= 0;
      last  <= 0;
    end else if (moves) begin
      valid <= {ends, valid[STAGES-3:0], in_valid};
      full  <= ends;
      first <= {first[STAGES-3:0], fold == 0};
      last  <= {last[STAGES-3:0], last_fold};
    end
  end
  localparam bit APART = SIMD * TERM_BITS > 128;  // wide trees have steps of their own, for their fan-out
  generate
    if (APART) begin : g_steps_apart
      (* keep *) logic held;  // as `full`, but with an enable of its own, or Yosys makes them one
      always_ff @(posedge clock) begin
        if (reset) held <= 0;
        else if (step) held <= ends;
      end
      assign out_valid = held;
    end else begin : g_steps_together
      assign out_valid = valid[STAGES-1];
    end
  endgenerate

  wire [PE*SIMD*TERM_BITS-1:0] cut;
  wire [(EXPONENT_BITS > 0 ? PE*(SIMD/SEGMENT)*EXPONENT_BITS : 1)-1:0] shifts;
  generate
    if (EXPONENT_BITS > 0) begin : g_exponents
      pqk_block_exponents #(
          .PE(PE),
          .SIMD(SIMD),
          .SEGMENT(SEGMENT),
          .BLOCK(BLOCK),
          .HELD(HELD),
          .SPAN(SPAN),
          .ROW(ROW),
          .DEPTH(EXPONENT_DEPTH),
          .E(EXPONENT_BITS),
          .READ_STAGES(READ_STAGES)
      ) blocks (
          .clock,
          .reset,
          .enable   (step),
          .valid    (valid[PRODUCT_STAGES+LOW]),  // so that they come beside the sums of segments
          .address  (exponent_address),
          .held     (exponents),
          .exponents(shifts)
      );
    end else begin : g_no_exponents
      assign exponent_address = 0;
      assign shifts = 0;
      wire unused = &{exponents, shifts};
    end
    for (genvar i = 0; i < PE * SIMD; i++) begin : g_cut
      assign cut[i*TERM_BITS+:TERM_BITS] = products[i*PRODUCT_BITS+:TERM_BITS];
    end
    wire unused_bits = &products;
    for (genvar pe = 0; pe < PE; pe++) begin : g_pe
      logic [SIMD*TERM_BITS-1:0] terms;
      logic [      SUM_BITS-1:0] sum;
      wire [      SUM_BITS-1:0] partial, total;
      wire [      SUM_BITS-1:0] so_far = first[STAGES-2] ? '0 : sum;  // in the adder's LUTs, unlike a choice behind it
      wire negative;
      wire pe_step;
      if (APART) begin : g_apart
        (* keep *) logic held;
        (* keep *) wire pe_moves = out_ready || !held;
        always_ff @(posedge clock) begin
          if (reset) held <= 0;
          else if (pe_moves) held <= ends;
        end
        assign pe_step = pe_moves;
      end else begin : g_together
        assign pe_step = step;
      end
      always_ff @(posedge clock) begin
        if (pe_step) terms <= cut[pe*SIMD*TERM_BITS+:SIMD*TERM_BITS];
        if (moves && valid[STAGES-2]) sum <= total;
      end
      wire [SIMD-1:0] signs;
      if (SIGNS) begin : g_signs
        // Of odd lanes of a segment the sign is relative to the lane before, in front of the last register: where that drives a wide
        // adder, it must not be the end of a shift register.
        localparam int EARLY = SUM_BITS > 48 ? PRODUCT_STAGES : 0;
        wire [SIMD-1:0] signs_held, relative;
        pqk_delay #(
            .WIDTH (SIMD),
            .STAGES(EARLY)
        ) ahead (
            .clock,
            .enable(pe_step),
            .d(negate[pe*SIMD+:SIMD]),
            .q(signs_held)
        );
        for (genvar i = 0; i < SIMD; i++) begin : g_lane
          localparam int ODD = i % (EXPONENT_BITS > 0 ? SEGMENT : SIMD) % 2;
          assign relative[i] = signs_held[i] ^ (ODD == 1 && signs_held[i-ODD]);
        end
        pqk_delay #(
            .WIDTH (SIMD),
            .STAGES(PRODUCT_STAGES + 1 - EARLY)
        ) beside (
            .clock,
            .enable(pe_step),
            .d(relative),
            .q(signs)
        );
        pqk_add_subtract #(.W(SUM_BITS), .BESIDE(1)) accumulate (
            .x(so_far), .y(partial), .negate(negative), .sum(total)
        );
      end else begin : g_no_signs
        assign signs = 0;
        assign total = so_far + partial;
        wire unused_signs = &{negate, negative};
      end
      if (EXPONENT_BITS > 0) begin : g_segments
        pqk_segment_sum #(
            .LANES(SIMD),
            .SEGMENT(SEGMENT),
            .W(TERM_BITS),
            .E(EXPONENT_BITS),
            .S(SUM_BITS),
            .SIGNS(SIGNS)
        ) tree (
            .clock,
            .enable   (pe_step),
            .terms,
            .negate   (signs),
            .exponents(shifts[pe*(SIMD/SEGMENT)*EXPONENT_BITS+:(SIMD/SEGMENT)*EXPONENT_BITS]),
            .sum      (partial),
            .negative
        );
      end else if (SIGNS) begin : g_signed
        pqk_dot_product_sum #(
            .LANES(SIMD),
            .W(TERM_BITS),
            .S(SUM_BITS)
        ) tree (
            .clock,
            .enable(pe_step),
            .terms,
            .negate(signs),
            .sum   (partial),
            .negative
        );
      end else begin : g_plain
        assign negative = 0;
        wire unused_negate = &signs;
        pqk_adder_tree #(
            .COUNT(SIMD),
            .IN_BITS(TERM_BITS),
            .OUT_BITS(SUM_BITS)
        ) tree (
            .clock,
            .enable(pe_step),
            .terms,
            .sum   (partial)
        );
      end
      assign out_data[pe*SUM_BITS+:SUM_BITS] = sum;
    end
  endgenerate
endmodule
`default_nettype wire
