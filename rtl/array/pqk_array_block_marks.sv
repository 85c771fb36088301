// What each place of a micro-block is, by its flag and its permutation list (family microscopiq): an outlier's upper half, and where its
// lower one stands, or a lower half. For elements that keep halves apart; a step later, which is a cycle with `enable`.
`default_nettype none
module pqk_array_block_marks #(
    localparam int MICRO = 8,
    localparam int PAIRS = 4,
    localparam int MARK = 5
) (
    input  wire                   clock,
    input  wire                   enable,
    input  wire                   flag,
    input  wire  [   6*PAIRS-1:0] places,
    output logic [MARK*MICRO-1:0] marks  // {where the lower half stands, is a lower half, is an upper half}
);
  for (genvar c = 0; c < MICRO; c++) begin : g_place
    logic upper, lower;
    logic [2:0] from;
    always_comb begin
      {upper, lower, from} = '0;
      for (int i = 0; i < PAIRS; i++) begin
        if (flag && places[6*i+:3] != places[6*i+3+:3]) begin
          lower |= places[6*i+3+:3] == 3'(c);
          if (places[6*i+:3] == 3'(c)) begin
            upper = 1'b1;
            from |= places[6*i+3+:3];
          end
        end
      end
    end
    always_ff @(posedge clock) if (enable) marks[MARK*c+:MARK] <= {from, lower, upper};
  end
endmodule
`default_nettype wire
