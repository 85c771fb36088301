// Constants by an index, in LUTs: entry 0 of TABLE lowest. A LUT takes six bits of the index; STAGES registers stand behind those,
// before the choice by the other bits.
//
// It is written as multiplexers: a register before constants that are indexed would be taken for that of a ROM, and moved behind it.
`default_nettype none
module pqk_table #(
    parameter int BITS = 4,  // of the index
    parameter int WIDTH = 4,
    parameter bit [(WIDTH << BITS)-1:0] TABLE = '0,
    parameter int STAGES = 0
) (
    input  wire              clock,
    input  wire              enable,
    input  wire  [ BITS-1:0] index,
    output logic [WIDTH-1:0] entry
);
  localparam int LOW = BITS > 6 ? 6 : BITS;
  localparam int PARTS = 1 << (BITS - LOW);

  wire [PARTS*WIDTH-1:0] entries, held;
  for (genvar level = 0; level <= LOW; level++) begin : g_level  // halves what is left, by the lowest bit of the index first
    wire [(WIDTH<<(BITS-level))-1:0] left;
    if (level == 0) begin : g_all
      assign left = TABLE;
    end else begin : g_half
      for (genvar i = 0; i < 1 << (BITS - level); i++) begin : g_entry
        assign left[i*WIDTH+:WIDTH] = index[level-1] ? g_level[level-1].left[(2*i+1)*WIDTH+:WIDTH]
                                                     : g_level[level-1].left[2*i*WIDTH+:WIDTH];
      end
    end
  end
  assign entries = g_level[LOW].left;
  pqk_delay #(.WIDTH(PARTS * WIDTH), .STAGES(STAGES)) behind (.clock, .enable, .d(entries), .q(held));
  if (PARTS > 1) begin : g_choice
    wire [BITS-LOW-1:0] part;
    pqk_delay #(.WIDTH(BITS - LOW), .STAGES(STAGES)) beside (.clock, .enable, .d(index[BITS-1:LOW]), .q(part));
    assign entry = held[part*WIDTH+:WIDTH];
  end else begin : g_one
    assign entry = held;
  end
endmodule
`default_nettype wire
