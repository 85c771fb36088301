// Terms of rows of WORDS words: significands, shifted down by what their exponent is below the largest of the row. A lane holds
// a significand and, above it, an exponent.
`default_nettype none
module pqk_softmax_terms #(
    parameter int TERM_BITS = 30,
    parameter int EXPONENT_BITS = 6,
    parameter int LANES = 1,
    parameter int WORDS = 4
) (
    input  wire                                        clock,
    input  wire                                        reset,
    input  wire                                        in_valid,
    output logic                                       in_ready,
    input  wire  [LANES*(TERM_BITS+EXPONENT_BITS)-1:0] in_data,
    output logic                                       out_valid,
    input  wire                                        out_ready,
    output logic [                LANES*TERM_BITS-1:0] out_data
);
  localparam int BITS = TERM_BITS + EXPONENT_BITS;

  wire take, first, move, read, room, leaving;
  wire [LANES*BITS-1:0] read_entries, entries;
  wire [EXPONENT_BITS-1:0] top;  // the largest of the row
  logic shifting;
  wire step = out_ready || !out_valid;
  pqk_row_buffer #(
      .BITS (LANES * BITS),
      .WORDS(WORDS)
  ) rows (
      .clock,
      .reset,
      .in_valid,
      .in_ready,
      .in_data,
      .take,
      .first,
      .move,
      .step(room),
      .out_valid(read),
      .out_data(read_entries)
  );

  logic [EXPONENT_BITS-1:0] largest, read_top;  // so far, and of the row that is read
  logic [EXPONENT_BITS-1:0] most;
  always_comb begin
    most = first ? 0 : largest;
    for (int lane = 0; lane < LANES; lane++) begin
      if (in_data[lane*BITS+TERM_BITS+:EXPONENT_BITS] > most) most = in_data[lane*BITS+TERM_BITS+:EXPONENT_BITS];
    end
  end
  always_ff @(posedge clock) begin
    if (take) largest <= most;
    if (move) read_top <= largest;
    if (reset) begin
      shifting  <= 0;
      out_valid <= 0;
    end else if (step) begin
      shifting  <= leaving;
      out_valid <= shifting;
    end
  end

  pqk_skid #(
      .WIDTH(LANES * BITS + EXPONENT_BITS)
  ) words (
      .clock,
      .reset,
      .in_valid(read),
      .in_ready(room),
      .in_data({read_entries, read_top}),
      .out_valid(leaving),
      .out_ready(step),
      .out_data({entries, top})
  );

  for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
    logic [TERM_BITS-1:0] significand;
    logic [EXPONENT_BITS-1:0] down;
    always_ff @(posedge clock) begin
      if (step) begin
        significand <= entries[lane*BITS+:TERM_BITS];
        down <= top - entries[lane*BITS+TERM_BITS+:EXPONENT_BITS];
        out_data[lane*TERM_BITS+:TERM_BITS] <= significand >> down;
      end
    end
  end
endmodule
`default_nettype wire
