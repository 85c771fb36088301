// As `pqk_decode`, with STAGES registers inside. A table of which one half is the other negated is looked up in that half, behind
// all registers but one, and negated behind that.
`default_nettype none
module pqk_decode_pipeline #(
    parameter int BITS = 8,
    parameter int WIDTH = 9,
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter FILE = "",
    parameter int MIRROR = 0,  // what negates a code of the table: 1: turning its highest bit, 2: its two's complement
    parameter int STAGES = 0
) (
    input  wire              clock,
    input  wire              enable,
    input  wire  [ BITS-1:0] code,
    output logic [WIDTH-1:0] integer_value
);
  localparam bit HALF = TABLE && MIRROR != 0 && STAGES > 0;
  localparam int BEHIND = HALF ? 1 : 0;
  localparam bit [BITS-1:0] LOOKED_UP = ~(BITS'(HALF) << (BITS - 1));  // the bits of an index that count

  wire negative = HALF && code[BITS-1];
  wire complement = negative && MIRROR == 2;
  wire [BITS-1:0] positive = (code ^ {BITS{complement}}) + BITS'(complement);
  wire [BITS-1:0] index;
  wire [WIDTH-1:0] looked_up, magnitude;
  wire negates, negated;
  // `x | x & other` is x. So between two registers Yosys sees no table that it would join with the first, and no multiplexers that
  // it would make a reset of the second, whose logic is a level deeper where codes are looked up in logarithms' wide tables.
  wire other = MIRROR == 2 && index[0], another = MIRROR == 2 && negates;
  pqk_delay #(
      .WIDTH (BITS + 1),
      .STAGES(STAGES - BEHIND)
  ) in_front (
      .clock,
      .enable,
      .d({positive, negative}),
      .q({index, negates})
  );
  pqk_decode #(
      .BITS(BITS),
      .WIDTH(WIDTH),
      .SIGNED(SIGNED),
      .ZERO_POINT(ZERO_POINT),
      .TABLE(TABLE),
      .FILE(FILE)
  ) decoder (
      .code((index | index & {BITS{another}}) & LOOKED_UP),
      .integer_value(looked_up)
  );
  pqk_delay #(
      .WIDTH (WIDTH + 1),
      .STAGES(BEHIND)
  ) behind (
      .clock,
      .enable,
      .d({looked_up | looked_up & {WIDTH{other}}, negates}),
      .q({magnitude, negated})
  );
  assign integer_value = (magnitude ^ {WIDTH{negated}}) + WIDTH'(negated);

  if (MIRROR < 0 || MIRROR > 2 || STAGES < 0) begin : g_illegal
    $error("a way to negate, and no negative delay, were expected: MIRROR, STAGES");
  end
endmodule
`default_nettype wire
