// Matrix-vector unit: windows times constant weights, summed exactly; PE outputs and SIMD inputs a cycle, without a gap.
//
// A window comes as FOLDS words, once for every PE outputs. The memory of weights holds codes in the order of use,
// [group][output fold][input fold][PE][SIMD], and starts again with every pixel. Products are made outside, so that any pair of
// formats can be plugged in: `products` must be left times right, combinationally, for each PE and lane, or minus that where
// `negate` is set: the adders subtract then, which saves a carry chain for every product.
module pqk_matrix_vector #(
    parameter int LEFT_BITS = 4,
    parameter int RIGHT_BITS = 4,
    parameter int PRODUCT_BITS = 8,
    parameter bit SIGNS = 0,  // whether `negate` is ever set
    parameter int SHIFT_BITS = 0,  // of the left shift of each product (blocks with a scale of their own); 0 for none
    parameter int SUM_BITS = 16,
    parameter int PE = 1,
    parameter int SIMD = 1,
    parameter int LANES = SIMD,  // inputs a cycle: SIMD that all PE share, or PE * SIMD so that each has its own (depthwise)
    parameter int FOLDS = 4,
    parameter int DEPTH = 16,  // words of the memories, FOLDS * outputs / PE
    parameter WEIGHTS = "",
    parameter bit [PE*SIMD*RIGHT_BITS-1:0] WEIGHT = 0,  // the word if DEPTH is 1
    parameter SHIFTS = "",
    parameter bit [PE*SIMD*(SHIFT_BITS > 0 ? SHIFT_BITS : 1)-1:0] SHIFT = 0,
    parameter MEMORY = "auto"  // where both lie, see rom
) (
    input  wire                            clock,
    input  wire                            reset,
    input  wire                            in_valid,
    output wire                            in_ready,
    input  wire [     LANES*LEFT_BITS-1:0] in_data,
    output wire [     LANES*LEFT_BITS-1:0] left,
    output wire [  PE*SIMD*RIGHT_BITS-1:0] right,
    input  wire [PE*SIMD*PRODUCT_BITS-1:0] products,
    input  wire [             PE*SIMD-1:0] negate,
    output wire                            out_valid,
    input  wire                            out_ready,
    output wire [         PE*SUM_BITS-1:0] out_data
);
  localparam int LEVELS = $clog2(SIMD);
  localparam int STAGES = LEVELS + 3;  // operands, terms, tree, sum
  localparam int LARGEST_SHIFT = SHIFT_BITS > 0 ? 2 ** SHIFT_BITS - 1 : 0;
  localparam int TERM_BITS = PRODUCT_BITS + LARGEST_SHIFT < SUM_BITS ? PRODUCT_BITS + LARGEST_SHIFT : SUM_BITS;
  localparam int ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int FOLD_BITS = FOLDS > 1 ? $clog2(FOLDS) : 1;

  reg [ADDRESS_BITS-1:0] address;
  reg [FOLD_BITS-1:0] fold;
  reg [STAGES-1:0] valid;  // bit 0: operands; the highest: terms that reach the sum
  reg [STAGES-2:0] first, last;
  wire step = out_ready || !out_valid;  // the whole pipeline moves, or nothing does
  assign in_ready = step;

  always_ff @(posedge clock) begin
    if (reset) begin
      address <= 0;
      fold <= 0;
    end else if (step && in_valid) begin
      address <= address == ADDRESS_BITS'(DEPTH - 1) ? 0 : address + 1;
      fold <= fold == FOLD_BITS'(FOLDS - 1) ? 0 : fold + 1;
    end
  end

  reg [LANES*LEFT_BITS-1:0] operands;
  always_ff @(posedge clock) if (step) operands <= in_data;
  assign left = operands;
  pqk_rom #(
      .WIDTH(PE * SIMD * RIGHT_BITS),
      .DEPTH(DEPTH),
      .FILE (WEIGHTS),
      .VALUE(WEIGHT),
      .MEMORY(MEMORY)
  ) weights (
      .clock,
      .enable (step),
      .address,
      .data   (right)
  );

  // The last stage holds a finished sum only every FOLDS words; between them nothing is valid at the output.
  always_ff @(posedge clock) begin
    if (reset) valid <= 0;
    else if (step) valid <= {valid[STAGES-2] && last[STAGES-2], valid[STAGES-3:0], in_valid};
    if (step) begin
      first <= {first[STAGES-3:0], fold == 0};
      last  <= {last[STAGES-3:0], fold == FOLD_BITS'(FOLDS - 1)};
    end
  end
  assign out_valid = valid[STAGES-1];

  wire [PE*SIMD*TERM_BITS-1:0] shifted;
  generate
    if (SHIFT_BITS > 0) begin : g_shifts
      wire [PE*SIMD*SHIFT_BITS-1:0] amounts;
      pqk_rom #(
          .WIDTH(PE * SIMD * SHIFT_BITS),
          .DEPTH(DEPTH),
          .FILE (SHIFTS),
          .VALUE(SHIFT),
          .MEMORY(MEMORY)
      ) shift_rom (
          .clock,
          .enable (step),
          .address,
          .data   (amounts)
      );
      for (genvar i = 0; i < PE * SIMD; i++) begin : g_shift
        wire signed [PRODUCT_BITS-1:0] product = products[i*PRODUCT_BITS+:PRODUCT_BITS];
        wire signed [PRODUCT_BITS+LARGEST_SHIFT-1:0] wide = (PRODUCT_BITS + LARGEST_SHIFT)'(product);
        wire signed [PRODUCT_BITS+LARGEST_SHIFT-1:0] moved = wide <<< amounts[i*SHIFT_BITS+:SHIFT_BITS];
        assign shifted[i*TERM_BITS+:TERM_BITS] = moved[TERM_BITS-1:0];
        wire unused = &moved;
      end
    end else begin : g_plain
      for (genvar i = 0; i < PE * SIMD; i++) begin : g_cut
        assign shifted[i*TERM_BITS+:TERM_BITS] = products[i*PRODUCT_BITS+:TERM_BITS];
      end
      wire unused = &products;
    end
    for (genvar pe = 0; pe < PE; pe++) begin : g_pe
      reg  [SIMD*TERM_BITS-1:0] terms;
      reg  [      SUM_BITS-1:0] sum;
      wire [      SUM_BITS-1:0] partial, total;
      wire [      SUM_BITS-1:0] so_far = first[STAGES-2] ? '0 : sum;  // in the adder's LUTs, unlike a choice behind it
      always_ff @(posedge clock) begin
        if (step) begin
          terms <= shifted[pe*SIMD*TERM_BITS+:SIMD*TERM_BITS];
          if (valid[STAGES-2]) sum <= total;
        end
      end
      if (SIGNS) begin : g_signs
        reg [SIMD-1:0] signs;
        wire negative;
        always_ff @(posedge clock) if (step) signs <= negate[pe*SIMD+:SIMD];
        pqk_dot_product_sum #(
            .LANES(SIMD),
            .W(TERM_BITS),
            .S(SUM_BITS)
        ) tree (
            .clock,
            .enable(step),
            .terms,
            .negate(signs),
            .sum   (partial),
            .negative
        );
        pqk_add_subtract #(.W(SUM_BITS)) accumulate (.x(so_far), .y(partial), .negate(negative), .sum(total));
      end else begin : g_plain
        pqk_adder_tree #(
            .COUNT(SIMD),
            .IN_BITS(TERM_BITS),
            .OUT_BITS(SUM_BITS)
        ) tree (
            .clock,
            .enable(step),
            .terms,
            .sum   (partial)
        );
        assign total = so_far + partial;
        wire unused = &negate;
      end
      assign out_data[pe*SUM_BITS+:SUM_BITS] = sum;
    end
  endgenerate
endmodule
