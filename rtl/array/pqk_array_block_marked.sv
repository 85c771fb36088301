// Eight columns' part of an item of weights as elements take it that keep halves of outliers apart (family microscopiq): slots, each with
// the marks of both lanes. They come a step later, which is a cycle with `enable`.
`default_nettype none
module pqk_array_block_marked #(
    localparam int MICRO = 8,
    localparam int SLOT = 4,
    localparam int LANES = 2,
    localparam int MARK = 5,
    localparam int SIDE = 28,  // of a lane: flag, exponent and list
    localparam int LIST = 24,
    localparam int WEIGHT = SLOT + LANES * MARK
) (
    input  wire                     clock,
    input  wire                     enable,
    input  wire  [  MICRO*SLOT-1:0] slots,
    input  wire  [  LANES*SIDE-1:0] sides,
    output wire  [MICRO*WEIGHT-1:0] weights
);
  wire [MARK*LANES*MICRO-1:0] marks;
  logic [MICRO*SLOT-1:0] held;
  always_ff @(posedge clock) if (enable) held <= slots;
  for (genvar l = 0; l < LANES; l++) begin : g_lane
    pqk_array_block_marks marks_of_lane (
        .clock, .enable, .flag(sides[l*SIDE]), .places(sides[(l+1)*SIDE-1-:LIST]), .marks(marks[MARK*MICRO*l+:MARK*MICRO])
    );
  end
  for (genvar c = 0; c < MICRO; c++) begin : g_weight
    assign weights[c*WEIGHT+:WEIGHT] = {marks[MARK*(MICRO+c)+:MARK], marks[MARK*c+:MARK], held[SLOT*c+:SLOT]};
  end
  wire unused = &sides;  // not its exponents
endmodule
`default_nettype wire
