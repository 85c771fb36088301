// Exact sum of terms, each with a sign of its own, a register after every level. `negate` of an even lane says that its term is
// taken off; of an odd one, that its sign is not that of the lane before it. So all LUTs of an adder hang on one register.
//
// No term is ever negated. A sum stands for itself or for its negative: of two neighbours the left one stays as it is, the right
// one is added or subtracted according to whether their signs differ, and the pair's sign is the left one's. So a conditional
// negation is one more input of an adder's LUTs. The last sum is still to be negated if `negative`, best by who accumulates it.
`default_nettype none
module pqk_dot_product_sum #(
    parameter int LANES = 32,
    parameter int W = 9,  // bits of a signed term
    parameter int S = W + $clog2(LANES),  // bits of the sum, taken modulo 2**S if that is too few
    parameter bit SIGNS = 1  // whether `negate` is ever set
) (
    input  wire                       clock,
    input  wire                       enable,
    input  wire         [LANES*W-1:0] terms,
    input  wire         [  LANES-1:0] negate,
    output logic signed [      S-1:0] sum,
    output logic                      negative
);
  localparam int LEVELS = $clog2(LANES);
  for (genvar level = 0; level <= LEVELS; level++) begin : g_level
    localparam int COUNT = (LANES + (1 << level) - 1) >> level;
    localparam int WIDTH = W + level < S ? W + level : S;
    logic [COUNT*WIDTH-1:0] sums;
    logic [COUNT-1:0] signs;
    if (level == 0) begin : g_terms
      for (genvar i = 0; i < COUNT; i++) begin : g_cut
        assign sums[i*WIDTH+:WIDTH] = terms[i*W+:WIDTH];
      end
      assign signs = SIGNS ? negate : '0;
      wire unused = &{clock, enable, terms, negate};
    end else begin : g_sums
      localparam int BELOW = (LANES + (1 << (level - 1)) - 1) >> (level - 1);
      localparam int NARROW = W + level - 1 < S ? W + level - 1 : S;
      for (genvar i = 0; i < COUNT; i++) begin : g_pair
        wire signed [NARROW-1:0] left = g_level[level-1].sums[2*i*NARROW+:NARROW];
        localparam bit ODD = i % 2 == 1;
        wire left_sign = g_level[level-1].signs[2*i];
        wire neighbour = ODD && g_level[level-1].signs[ODD ? 2*i-2 : 0];
        wire [WIDTH-1:0] total;
        if (2 * i + 1 < BELOW) begin : g_add
          wire signed [NARROW-1:0] right = g_level[level-1].sums[(2*i+1)*NARROW+:NARROW];
          wire differ = g_level[level-1].signs[2*i+1];
          pqk_add_subtract #(.W(WIDTH)) add (.x(WIDTH'(left)), .y(WIDTH'(right)), .negate(differ), .sum(total));
        end else begin : g_single
          assign total = WIDTH'(left);
        end
        always_ff @(posedge clock)
          if (enable) begin
            sums[i*WIDTH+:WIDTH] <= total;
            signs[i] <= left_sign ^ neighbour;
          end
      end
    end
  end
  localparam int TOP = W + LEVELS < S ? W + LEVELS : S;
  wire signed [TOP-1:0] last = g_level[LEVELS].sums;
  assign sum = S'(last);
  assign negative = g_level[LEVELS].signs;

  if (LANES < 1 || W < 1 || S < 1) begin : g_illegal
    $error("lanes and bits were expected: LANES, W, S");
  end
endmodule
`default_nettype wire
