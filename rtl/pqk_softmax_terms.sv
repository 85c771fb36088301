// Terms of rows of WORDS words: significands, shifted down by what their exponent is below the largest of the row. A lane holds
// a significand and, above it, an exponent. With HEADS above 0 the first so many rows see one lane, the next ones two, and so on,
// until after as many as a row has lanes it starts again; what a row does not see is 0.
`default_nettype none
module pqk_softmax_terms #(
    parameter int TERM_BITS = 30,
    parameter int EXPONENT_BITS = 6,
    parameter int LANES = 1,
    parameter int WORDS = 4,
    parameter int HEADS = 0
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
  wire [LANES*BITS-1:0] seen, read_entries, entries;
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
      .in_data(seen),
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
      if (seen[lane*BITS+TERM_BITS+:EXPONENT_BITS] > most) most = seen[lane*BITS+TERM_BITS+:EXPONENT_BITS];
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

  if (HEADS == 0) begin : g_all
    assign seen = in_data;
  end else begin : g_causal
    localparam int LENGTH = WORDS * LANES;
    wire [(WORDS > 1 ? $clog2(WORDS) : 1)-1:0] word;
    wire [(HEADS > 1 ? $clog2(HEADS) : 1)-1:0] head;
    wire [(LENGTH > 1 ? $clog2(LENGTH) : 1)-1:0] token;
    wire end_row, end_token, end_frame;
    wire unused = &{head, end_frame};
    pqk_counter #(
        .LENGTH(WORDS)
    ) masked_words (
        .clock,
        .reset,
        .advance(take),
        .count(word),
        .last(end_row)
    );
    pqk_counter #(
        .LENGTH(HEADS)
    ) masked_heads (
        .clock,
        .reset,
        .advance(take && end_row),
        .count(head),
        .last(end_token)
    );
    pqk_counter #(
        .LENGTH(LENGTH)
    ) masked_tokens (
        .clock,
        .reset,
        .advance(take && end_row && end_token),
        .count(token),
        .last(end_frame)
    );
    for (genvar lane = 0; lane < LANES; lane++) begin : g_seen
      wire hidden = int'(word) * LANES + lane > int'(token);
      assign seen[lane*BITS+:BITS] = hidden ? '0 : in_data[lane*BITS+:BITS];
    end
  end

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
