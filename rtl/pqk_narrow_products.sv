// Exact dot products of narrow codes, PE of them, which share the SIMD codes on the left.
//
// A product is UNIT times an entry {left, right} of TABLE less SHARED_UNIT times the entry `left` of SHARED: so entries are never
// negative, and what is taken off is summed once for all PE. Chains of lanes sum entries (pqk_code_chain), trees add the chains.
`default_nettype none
module pqk_narrow_products #(
    parameter int A = 2,
    parameter int B = 2,
    parameter int U = 4,  // bits of an entry
    parameter bit [(U << (A + B))-1:0] TABLE = '0,
    parameter int MOST = 9,  // largest entry
    parameter int UNIT = 1,
    parameter int T = 2,  // bits of a shared entry
    parameter bit [(T << A)-1:0] SHARED = '0,
    parameter int SHARED_MOST = 0,  // largest of them; 0 for none
    parameter int SHARED_UNIT = 1,
    parameter int PE = 4,
    parameter int SIMD = 16,
    parameter int LENGTH = 7,  // lanes of a chain at most
    parameter int STEP = 2,  // lanes of a chain between registers
    parameter int W = 10,  // bits of a signed sum
    localparam int CHAINS = (SIMD + LENGTH - 1) / LENGTH,
    localparam int LANES = (SIMD + CHAINS - 1) / CHAINS,  // of the longest chain
    localparam int STEPS = (LANES + STEP - 1) / STEP
) (
    input  wire                   clock,
    input  wire                   enable,
    input  wire  [    SIMD*A-1:0] left,
    input  wire  [ PE*SIMD*B-1:0] right,
    output logic [      PE*W-1:0] sums  // STEPS + 2 + $clog2(CHAINS) steps later, or $clog2(SIMD) + 2 if that is more
);
  localparam int S = $clog2(MOST * LANES + 1);  // bits of a chain's sum
  localparam int TOTAL = $clog2(MOST * LANES * CHAINS + 1);
  localparam int CHAINED = STEPS + 1 + $clog2(CHAINS);
  localparam int SUMMED = $clog2(SIMD) + 1;
  localparam int BEFORE = CHAINED > SUMMED ? CHAINED : SUMMED;  // steps until both are there

  wire [W-1:0] shared;
  if (SHARED_MOST > 0) begin : g_shared
    localparam int N = $clog2(SHARED_MOST * SIMD + 1);
    wire [SIMD*T-1:0] entries;
    wire [N-1:0] total;
    for (genvar i = 0; i < SIMD; i++) begin : g_lane
      pqk_table #(
          .BITS (A),
          .WIDTH(T),
          .TABLE(SHARED)
      ) numbers (
          .clock,
          .enable,
          .index(left[i*A+:A]),
          .entry(entries[i*T+:T])
      );
    end
    pqk_unsigned_tree #(.COUNT(SIMD), .MOST(SHARED_MOST)) tree (.clock, .enable, .terms(entries), .sum(total));
    wire [W-1:0] scaled = W'(SHARED_UNIT * total);
    pqk_delay #(.WIDTH(W), .STAGES(BEFORE - SUMMED + 1)) hold (.clock, .enable, .d(scaled), .q(shared));
  end else begin : g_unshared
    assign shared = 0;
  end

  // Codes of a lane, as late as its place in its chain asks for.
  wire [SIMD*A-1:0] skewed;
  wire [PE*SIMD*B-1:0] skewed_right;
  for (genvar chain = 0; chain < CHAINS; chain++) begin : g_skew
    localparam int FIRST = chain * SIMD / CHAINS, LAST = (chain + 1) * SIMD / CHAINS;
    for (genvar i = FIRST; i < LAST; i++) begin : g_lane
      localparam int LATE = (i - FIRST) / STEP;
      pqk_delay #(.WIDTH(A), .STAGES(LATE)) lefts (.clock, .enable, .d(left[i*A+:A]), .q(skewed[i*A+:A]));
      for (genvar pe = 0; pe < PE; pe++) begin : g_pe
        localparam int AT = (pe * SIMD + i) * B;
        pqk_delay #(.WIDTH(B), .STAGES(LATE)) rights (.clock, .enable, .d(right[AT+:B]), .q(skewed_right[AT+:B]));
      end
    end
  end

  for (genvar pe = 0; pe < PE; pe++) begin : g_pe
    wire [CHAINS*S-1:0] chains;
    wire [TOTAL-1:0] total, held;
    logic [W-1:0] sum;
    for (genvar chain = 0; chain < CHAINS; chain++) begin : g_chain
      localparam int FIRST = chain * SIMD / CHAINS, OWN = (chain + 1) * SIMD / CHAINS - FIRST;
      wire [$clog2(MOST*OWN+1)-1:0] found;
      pqk_code_chain #(
          .A(A),
          .B(B),
          .U(U),
          .TABLE(TABLE),
          .MOST(MOST),
          .LENGTH(OWN),
          .STEP(STEP),
          .STEPS(STEPS)
      ) lanes (
          .clock,
          .enable,
          .left(skewed[FIRST*A+:OWN*A]),
          .right(skewed_right[(pe*SIMD+FIRST)*B+:OWN*B]),
          .sum(found)
      );
      assign chains[chain*S+:S] = S'(found);
    end
    pqk_unsigned_tree #(.COUNT(CHAINS), .MOST(MOST * LANES)) tree (.clock, .enable, .terms(chains), .sum(total));
    pqk_delay #(.WIDTH(TOTAL), .STAGES(BEFORE - CHAINED)) hold (.clock, .enable, .d(total), .q(held));
    wire [W-1:0] scaled = W'(UNIT * held);
    always_ff @(posedge clock) if (enable) sum <= scaled - shared;
    assign sums[pe*W+:W] = sum;
  end

  if (SIMD < 1 || PE < 1 || LENGTH < 1) begin : g_illegal
    $error("outputs and inputs were expected: PE, SIMD, LENGTH");
  end
endmodule
`default_nettype wire
