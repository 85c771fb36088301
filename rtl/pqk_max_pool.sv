// Largest value of each channel over POSITIONS pixels; codes stay codes. They are compared by rank: that of a table is kept
// beside each, otherwise it is the code with the sign turned.
`default_nettype none
module pqk_max_pool #(
    parameter int BITS = 4,
    parameter bit SIGNED = 1,
    parameter bit TABLE = 0,
    parameter RANKS = "",  // place of each code in the order of values, if TABLE
    parameter int LANES = 1,
    parameter int POSITIONS = 4,
    parameter int DEPTH = 1  // words of a pixel
) (
    input  wire                   clock,
    input  wire                   reset,
    input  wire                   in_valid,
    output logic                  in_ready,
    input  wire  [LANES*BITS-1:0] in_data,
    output logic                  out_valid,
    input  wire                   out_ready,
    output logic [LANES*BITS-1:0] out_data
);
  localparam int KEPT = TABLE ? 2 * BITS : BITS;  // the rank lowest
  localparam bit [BITS-1:0] TURNED = BITS'(SIGNED && !TABLE) << (BITS - 1);
  wire step, begins;
  wire [LANES*KEPT-1:0] known, larger, largest;

  pqk_pool_control #(
      .BITS(LANES * KEPT),
      .POSITIONS(POSITIONS),
      .DEPTH(DEPTH)
  ) control (
      .clock,
      .reset,
      .in_valid,
      .in_ready,
      .out_valid,
      .out_ready,
      .out_data(largest),
      .step,
      .begins,
      .known,
      .result(larger)
  );

  wire unused = &largest;
  generate
    for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
      wire [BITS-1:0] code = in_data[lane*BITS+:BITS];
      wire [KEPT-1:0] best = known[lane*KEPT+:KEPT];
      wire [KEPT-1:0] ranked;
      logic [KEPT-1:0] word;
      if (TABLE) begin : g_table
        wire [BITS-1:0] rank;
        pqk_decode #(
            .BITS (BITS),
            .WIDTH(BITS),
            .TABLE(1),
            .FILE (RANKS)
        ) ranks (
            .code,
            .integer_value(rank)
        );
        assign ranked = {code, rank};
        assign out_data[lane*BITS+:BITS] = largest[lane*KEPT+BITS+:BITS];
      end else begin : g_order
        assign ranked = code;
        assign out_data[lane*BITS+:BITS] = largest[lane*BITS+:BITS];
      end
      always_ff @(posedge clock) if (step) word <= ranked;
      wire greater = (word[BITS-1:0] ^ TURNED) > (best[BITS-1:0] ^ TURNED);
      assign larger[lane*KEPT+:KEPT] = begins || greater ? word : best;
    end
  endgenerate
endmodule
`default_nettype wire
