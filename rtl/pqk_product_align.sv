// p = magnitude << shift, negated if negative and SIGNED. The shifter takes two bits of `shift` a stage, lowest first: its stages are
// narrow where the word is, and each bit of a stage is one LUT of six inputs. STAGES registers stand behind the shifter.
`default_nettype none
module pqk_product_align #(
    parameter int M = 4,
    parameter int S = 4,
    parameter int W = 19,
    parameter bit SIGNED = 1,
    parameter int STAGES = 0
) (
    input  wire                 clock,
    input  wire                 enable,
    input  wire         [M-1:0] magnitude,
    input  wire         [S-1:0] shift,
    input  wire                 negative,
    output logic signed [W-1:0] p
);
  wire [W-1:0] shifted = W'(magnitude) << shift;
  wire [W-1:0] aligned;
  wire negated;
  pqk_delay #(.WIDTH(W + 1), .STAGES(STAGES)) behind (.clock, .enable, .d({negative, shifted}), .q({negated, aligned}));
  if (SIGNED) begin : g_sign
    pqk_add_subtract #(.W(W)) sign (.x('0), .y(aligned), .negate(negated), .sum(p));
  end else begin : g_magnitude
    assign p = aligned;
    wire unused = negated;
  end
endmodule
`default_nettype wire
