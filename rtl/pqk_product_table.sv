// Any product of two narrow codes from the table of all of them: entry {a, b} of TABLE, W bits each, entry 0 lowest.
// A LUT takes six bits of both codes; STAGES registers stand behind those, before the choice by the other bits.
`default_nettype none
module pqk_product_table #(
    parameter int A = 2,
    parameter int B = 2,
    parameter int W = 4,
    parameter bit [(W << (A + B))-1:0] TABLE = '0,
    parameter int STAGES = 0
) (
    input  wire                 clock,
    input  wire                 enable,
    input  wire         [A-1:0] a,
    input  wire         [B-1:0] b,
    output logic signed [W-1:0] p
);
  localparam int ALL = A + B;
  localparam int LOW = ALL > 6 ? 6 : ALL;
  localparam int PARTS = 1 << (ALL - LOW);
  wire [ALL-1:0] index = {a, b};

  if (STAGES == 0) begin : g_whole
    assign p = TABLE[index*W+:W];
    wire unused = &{clock, enable};
  end else begin : g_parts
    wire [PARTS*W-1:0] entries, held;
    for (genvar i = 0; i < PARTS; i++) begin : g_part
      localparam bit [(W << LOW)-1:0] PART = TABLE[i*(W<<LOW)+:W<<LOW];
      assign entries[i*W+:W] = PART[index[LOW-1:0]*W+:W];
    end
    pqk_delay #(.WIDTH(PARTS * W), .STAGES(STAGES)) behind (.clock, .enable, .d(entries), .q(held));
    if (PARTS > 1) begin : g_choice
      wire [ALL-LOW-1:0] part;
      pqk_delay #(.WIDTH(ALL - LOW), .STAGES(STAGES)) beside (.clock, .enable, .d(index[ALL-1:LOW]), .q(part));
      assign p = held[part*W+:W];
    end else begin : g_one
      assign p = held;
    end
  end
endmodule
`default_nettype wire
