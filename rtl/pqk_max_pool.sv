// Largest value of each channel over POSITIONS pixels; codes stay codes.
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
  wire first;
  wire [LANES*BITS-1:0] codes, known;
  wire [LANES*BITS-1:0] larger;

  pqk_pool_control #(
      .IN_BITS(LANES * BITS),
      .OUT_BITS(LANES * BITS),
      .POSITIONS(POSITIONS),
      .DEPTH(DEPTH)
  ) control (
      .clock,
      .reset,
      .in_valid,
      .in_ready,
      .in_data,
      .out_valid,
      .out_ready,
      .out_data,
      .word(codes),
      .known,
      .first,
      .result(larger)
  );

  generate
    for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
      wire [BITS-1:0] code = codes[lane*BITS+:BITS];
      wire [BITS-1:0] best = known[lane*BITS+:BITS];
      wire [BITS:0] code_rank, best_rank;
      pqk_decode #(
          .BITS(BITS),
          .WIDTH(BITS + 1),
          .SIGNED(SIGNED),
          .TABLE(TABLE),
          .FILE(RANKS)
      ) rank_code (
          .code,
          .integer_value(code_rank)
      );
      pqk_decode #(
          .BITS(BITS),
          .WIDTH(BITS + 1),
          .SIGNED(SIGNED),
          .TABLE(TABLE),
          .FILE(RANKS)
      ) rank_best (
          .code(best),
          .integer_value(best_rank)
      );
      assign larger[lane*BITS+:BITS] = first || $signed(code_rank) > $signed(best_rank) ? code : best;
    end
  endgenerate
endmodule
`default_nettype wire
