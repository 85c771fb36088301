// The butterfly of a micro-block (family microscopiq): products of lower halves of outliers go to the sums of their upper halves. Level k
// joins each column to itself and to the one whose number differs in bit k. Sums go straight, and with each the product of its own
// column until that first crosses; one that has crossed crosses the next level, too, until it is added where its upper half stands. A
// list of pairs of places, as for pqk_array_block_merge, has to be one that routes, as those of the encoding do. A level takes a cycle,
// and each cycle may bring another row.
`default_nettype none
module pqk_array_block_butterfly #(
    parameter int SUM = 40,
    parameter int TERM = 19,
    localparam int MICRO = 8,
    localparam int PAIRS = 4,
    localparam int LEVELS = 3
) (
    input  wire                  clock,
    input  wire                  flag,
    input  wire [   6*PAIRS-1:0] places,
    input  wire [SUM*MICRO-1:0]  sums_in,
    input  wire [TERM*MICRO-1:0] terms,  // what a column's slot is worth, signed: only those of lower halves are taken
    output wire [SUM*MICRO-1:0]  sums
);
  for (genvar k = 0; k < LEVELS; k++) begin : g_level
    logic [6*PAIRS-1:0] pairs;
    logic [PAIRS-1:0] there;
    logic [SUM*MICRO-1:0] sum;
    logic [TERM*MICRO-1:0] own, foreign;
    if (k == 0) begin : g_first
      always_comb begin
        pairs = places;
        sum = sums_in;
        own = terms;
        foreign = '0;
        for (int i = 0; i < PAIRS; i++) there[i] = flag && places[6*i+:3] != places[6*i+3+:3];
      end
    end else begin : g_next
      always_ff @(posedge clock) begin
        pairs <= g_level[k-1].pairs;
        there <= g_level[k-1].there;
        sum <= g_level[k-1].made;
        own <= g_level[k-1].own;
        foreign <= g_level[k-1].crossed;
      end
    end

    localparam bit [2:0] BELOW = 3'((1 << k) - 1);
    localparam bit [2:0] ABOVE = 3'(7 << (k + 1));
    wire [3*PAIRS-1:0] upper, way, at;  // where it goes, which bits it crosses, and its column at this level
    for (genvar i = 0; i < PAIRS; i++) begin : g_pair
      assign upper[3*i+:3] = pairs[6*i+:3];
      assign way[3*i+:3] = pairs[6*i+:3] ^ pairs[6*i+3+:3];
      assign at[3*i+:3] = pairs[6*i+3+:3] ^ (way[3*i+:3] & BELOW);
    end
    logic [MICRO-1:0] from_own, from_foreign, ends;
    always_comb begin
      from_own = '0;
      from_foreign = '0;
      ends = '0;
      for (int i = 0; i < PAIRS; i++) begin
        if (there[i] && way[3*i+k]) begin
          if ((way[3*i+:3] & BELOW) == '0) from_own[at[3*i+:3]] = 1'b1;
          else from_foreign[at[3*i+:3]] = 1'b1;
          if ((way[3*i+:3] & ABOVE) == '0) ends[upper[3*i+:3]] = 1'b1;
        end
      end
    end

    wire [TERM*MICRO-1:0] across, crossed;
    wire [SUM*MICRO-1:0] made;
    for (genvar c = 0; c < MICRO; c++) begin : g_column
      assign across[TERM*c+:TERM] = from_foreign[c] ? foreign[TERM*c+:TERM] : from_own[c] ? own[TERM*c+:TERM] : '0;
      wire [TERM-1:0] given = across[TERM*(c^(1<<k))+:TERM];
      assign crossed[TERM*c+:TERM] = ends[c] ? '0 : given;
      assign made[SUM*c+:SUM] = sum[SUM*c+:SUM] + (ends[c] ? SUM'($signed(given)) : '0);
    end
  end

  logic [SUM*MICRO-1:0] last;
  always_ff @(posedge clock) last <= g_level[LEVELS-1].made;
  assign sums = last;
  wire unused = &{g_level[LEVELS-1].crossed};
endmodule
`default_nettype wire
