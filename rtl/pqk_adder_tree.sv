// Exact sum of signed terms, modulo 2**OUT_BITS; a register after every level.
`default_nettype none
module pqk_adder_tree #(
    parameter int COUNT = 4,
    parameter int IN_BITS = 8,
    parameter int OUT_BITS = 10
) (
    input  wire                      clock,
    input  wire                      enable,
    input  wire  [COUNT*IN_BITS-1:0] terms,
    output logic [     OUT_BITS-1:0] sum
);
  localparam int LEVELS = $clog2(COUNT);

  generate
    for (genvar level = 0; level <= LEVELS; level++) begin : g_level
      localparam int WORDS = (COUNT + (1 << level) - 1) >> level;
      localparam int WIDTH = IN_BITS + level < OUT_BITS ? IN_BITS + level : OUT_BITS;
      wire [WORDS*WIDTH-1:0] sums;
      if (level == 0) begin : g_terms
        for (genvar i = 0; i < WORDS; i++) begin : g_cut
          assign sums[i*WIDTH+:WIDTH] = terms[i*IN_BITS+:WIDTH];
        end
        wire unused = &{clock, enable, terms};
      end else begin : g_sums
        localparam int BELOW = (COUNT + (1 << (level - 1)) - 1) >> (level - 1);
        localparam int NARROW = IN_BITS + level - 1 < OUT_BITS ? IN_BITS + level - 1 : OUT_BITS;
        for (genvar i = 0; i < WORDS; i++) begin : g_add
          wire signed [NARROW-1:0] left = g_level[level-1].sums[2*i*NARROW+:NARROW];
          logic signed  [ WIDTH-1:0] total;
          if (2 * i + 1 < BELOW) begin : g_pair
            wire signed [NARROW-1:0] right = g_level[level-1].sums[(2*i+1)*NARROW+:NARROW];
            always_ff @(posedge clock) if (enable) total <= WIDTH'(left) + WIDTH'(right);
          end else begin : g_single
            always_ff @(posedge clock) if (enable) total <= WIDTH'(left);
          end
          assign sums[i*WIDTH+:WIDTH] = total;
        end
      end
    end
    localparam int TOP_BITS = IN_BITS + LEVELS < OUT_BITS ? IN_BITS + LEVELS : OUT_BITS;
    wire signed [TOP_BITS-1:0] top = g_level[LEVELS].sums;
    assign sum = OUT_BITS'(top);
  endgenerate

  if (COUNT < 1) begin : g_illegal
    $error("a term at least was expected: COUNT");
  end
endmodule
`default_nettype wire
