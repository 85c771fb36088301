// Exact sum of unsigned terms, of which none is above MOST; a register after every level.
`default_nettype none
module pqk_unsigned_tree #(
    parameter int COUNT = 4,
    parameter int MOST = 15,
    localparam int IN_BITS = $clog2(MOST + 1),
    localparam int OUT_BITS = $clog2(MOST * COUNT + 1)
) (
    input  wire                      clock,
    input  wire                      enable,
    input  wire  [COUNT*IN_BITS-1:0] terms,
    output logic [     OUT_BITS-1:0] sum
);
  localparam int LEVELS = $clog2(COUNT);

  for (genvar level = 0; level <= LEVELS; level++) begin : g_level
    localparam int WORDS = (COUNT + (1 << level) - 1) >> level;
    localparam int SPAN = (1 << level) < COUNT ? 1 << level : COUNT;  // terms in a sum
    localparam int WIDTH = $clog2(MOST * SPAN + 1);
    wire [WORDS*WIDTH-1:0] sums;
    if (level == 0) begin : g_terms
      assign sums = terms;
      wire unused = &{clock, enable};
    end else begin : g_sums
      localparam int BELOW = (COUNT + (1 << (level - 1)) - 1) >> (level - 1);
      localparam int NARROW = $clog2(MOST * (1 << (level - 1)) + 1);
      for (genvar i = 0; i < WORDS; i++) begin : g_add
        wire  [NARROW-1:0] left = g_level[level-1].sums[2*i*NARROW+:NARROW];
        logic [ WIDTH-1:0] total;
        if (2 * i + 1 < BELOW) begin : g_pair
          wire [NARROW-1:0] right = g_level[level-1].sums[(2*i+1)*NARROW+:NARROW];
          always_ff @(posedge clock) if (enable) total <= WIDTH'(left) + WIDTH'(right);
        end else begin : g_single
          always_ff @(posedge clock) if (enable) total <= WIDTH'(left);
        end
        assign sums[i*WIDTH+:WIDTH] = total;
      end
    end
  end
  assign sum = g_level[LEVELS].sums;

  if (COUNT < 1 || MOST < 1) begin : g_illegal
    $error("a term at least was expected, which is not always zero: COUNT, MOST");
  end
endmodule
`default_nettype wire
