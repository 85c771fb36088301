// Counts to LENGTH, over and over. `last` is a register, worked out a count ahead, so that nested counters compare nothing.
//
// A bit turns where all below it are set: shallower than a carry chain. Of wide counters each part of PART bits has a register
// that says so of the parts below it, worked out a count ahead too.
`default_nettype none
module pqk_counter #(
    parameter int LENGTH = 4,
    parameter int START = 0,  // after reset
    localparam int BITS = LENGTH > 1 ? $clog2(LENGTH) : 1
) (
    input  wire             clock,
    input  wire             reset,
    input  wire             advance,
    output logic [BITS-1:0] count,
    output logic            last
);
  localparam int PART = 6;
  generate
    if (LENGTH > 1) begin : g_counts
      wire ends = last && LENGTH != 2 ** BITS;
      wire [BITS:0] below;
      wire unused = below[BITS];
      assign below[0] = 1;
      for (genvar place = 1; place <= BITS; place++) begin : g_place
        localparam int FIRST = (place - 1) / PART * PART;  // of the part of the bit below
        if (place % PART != 0 || place == BITS) begin : g_within
          assign below[place] = below[FIRST] && &count[place-1:FIRST];
        end else begin : g_part
          localparam bit [place-1:0] FULL = '1;
          logic full;
          always_ff @(posedge clock) begin
            if (reset) full <= place'(START) == FULL;
            else if (advance) full <= !ends && count[place-1:0] == FULL - 1;
          end
          assign below[place] = full;
        end
      end
      always_ff @(posedge clock) begin
        if (reset) begin
          count <= BITS'(START);
          last  <= START == LENGTH - 1;
        end else if (advance) begin
          count <= ends ? 0 : count ^ below[BITS-1:0];
          last  <= !last && count == BITS'(LENGTH - 2);
        end
      end
    end else begin : g_stands
      assign count = 0;
      assign last  = 1;
      wire unused = &{clock, reset, advance};
    end
  endgenerate

  if (LENGTH < 1 || START < 0 || START >= LENGTH) begin : g_illegal
    $error("a place, and one to start at, were expected: LENGTH, START");
  end
endmodule
`default_nettype wire
