// Where words of the activations go that become weights: parts of items, lowest first, as pqk_array_store gives them. What a word
// has beyond an item is left out.
`default_nettype none
module pqk_array_copy #(
    parameter int WEIGHTS = 14,  // bits of an address
    parameter int PARTS = 1,  // of a word of activations
    parameter int KEPT = 1,  // parts of an item of weights
    localparam int PART = PARTS > 1 ? $clog2(PARTS) : 1
) (
    input  wire                clock,
    input  wire                start,
    input  wire  [WEIGHTS-1:0] weights,  // field of the instruction, taken by `start`
    input  wire                valid,  // a part
    output logic               write,
    output logic [WEIGHTS-1:0] address,
    output logic [   PART-1:0] part
);
  wire ends = part == PART'(PARTS - 1);
  assign write = valid && 32'(part) < KEPT;
  always_ff @(posedge clock) begin
    if (start) {address, part} <= {weights, PART'(0)};
    else if (valid) begin
      part <= ends ? '0 : part + 1'b1;
      if (ends) address <= address + 1'b1;
    end
  end
endmodule
`default_nettype wire
