// What stands behind the slots of words of activations: the power of two by which all of a word are multiplied. LOAD brings it with its
// part PART of a word, from bit PLACE on; words to which codes are written have none.
//
// Codes of a cycle go to one word or to two neighbouring ones, so even and odd words lie in memories of their own. An exponent is read a
// step after its address, a cycle with `enable`, and leaves STORE steps later for who sends words, FOOT steps and BEHIND cycles later for
// sums at the feet of columns.
`default_nettype none
module pqk_array_exponents #(
    parameter int ROWS = 8,
    parameter int DEPTH = 2048,
    parameter int SHIFT = 3,
    parameter int STREAM = 64,
    parameter int PART = 1,
    parameter int PLACE = 0,
    parameter int STORE = 8,
    parameter int FOOT = 13,
    parameter int BEHIND = 0,
    parameter MEMORY = "block",
    localparam int ADDRESS = $clog2(DEPTH),
    localparam int HALF = (DEPTH + 1) / 2
) (
    input  wire                    clock,
    input  wire                    enable,
    input  wire [     ADDRESS-1:0] address,
    input  wire                    outside,
    input  wire [       SHIFT-1:0] pad,
    output wire [       SHIFT-1:0] stored,
    output wire [       SHIFT-1:0] at_foot,
    input  wire                    load,
    input  wire [     ADDRESS-1:0] load_address,
    input  wire [             3:0] load_part,
    input  wire [      STREAM-1:0] load_data,
    input  wire [        ROWS-1:0] write,  // codes, or slots that are loaded, a cycle after `load`
    input  wire [ROWS*ADDRESS-1:0] write_address
);
  logic loads, brings;
  logic [ADDRESS-1:0] loaded_address;
  logic [SHIFT-1:0] brought;
  always_ff @(posedge clock) begin
    loads <= load;
    brings <= load && load_part == 4'(PART);
    loaded_address <= load_address;
    brought <= load_data[PLACE+:SHIFT];
  end

  logic odd, blank;
  wire [1:0][SHIFT-1:0] found;
  for (genvar b = 0; b < 2; b++) begin : g_bank
    logic cleared;
    logic [ADDRESS-2:0] clears;
    always_comb begin
      {cleared, clears} = '0;
      for (int r = 0; r < ROWS; r++) begin
        if (write[r] && write_address[r*ADDRESS] == 1'(b)) begin
          cleared = !loads;
          clears |= write_address[r*ADDRESS+1+:ADDRESS-1];
        end
      end
    end
    wire mine = brings && loaded_address[0] == 1'(b);
    pqk_array_memory #(.WIDTH(SHIFT), .DEPTH(HALF), .MEMORY(MEMORY)) memory (
        .clock, .write(mine || cleared), .write_address(mine ? loaded_address[ADDRESS-1:1] : clears),
        .write_data(mine ? brought : '0), .read(enable), .address(address[ADDRESS-1:1]), .data(found[b])
    );
  end
  always_ff @(posedge clock) if (enable) {odd, blank} <= {address[0], outside};
  wire [SHIFT-1:0] here = blank ? pad : found[odd];
  pqk_delay #(.WIDTH(SHIFT), .STAGES(STORE)) to_store (.clock, .enable, .d(here), .q(stored));
  wire [SHIFT-1:0] near;
  pqk_delay #(.WIDTH(SHIFT), .STAGES(FOOT - STORE)) to_foot (.clock, .enable, .d(stored), .q(near));
  pqk_delay #(.WIDTH(SHIFT), .STAGES(BEHIND)) behind (.clock, .enable(1'b1), .d(near), .q(at_foot));
  wire unused = &load_data;

  if (DEPTH < 4 || FOOT < STORE) begin : g_illegal
    $error("four words, and feet behind what is sent, were expected: DEPTH, FOOT, STORE");
  end
endmodule
`default_nettype wire
