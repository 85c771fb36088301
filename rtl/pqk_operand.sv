// A stream that is read whole and then used again and again, as the weights of a matrix-vector unit are: a frame comes while the
// one before is in use.
//
// A word of the stream has LANES codes, a bank of a word of memory: BANKS pixels, one after the other, fill each word. A pixel has
// PARTS times INNER words that lie side by side, as do those of the next pixels of the same part. READ_STAGES steps after an
// address, `data` has its word: [PE][SIMD] codes, of which a bank holds those of a PE or, ACROSS, one of each PE.
`default_nettype none
module pqk_operand #(
    parameter int BITS = 4,
    parameter int LANES = 1,
    parameter int BANKS = 1,
    parameter bit ACROSS = 0,
    parameter int INNER = 1,
    parameter int PARTS = 1,
    parameter int PIXELS = 4,
    parameter int READ_STAGES = 1,
    localparam int DEPTH = PIXELS * INNER * PARTS / BANKS,
    localparam int ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  wire                         clock,
    input  wire                         reset,
    input  wire                         in_valid,
    output logic                        in_ready,
    input  wire  [      LANES*BITS-1:0] in_data,
    output logic                        filled,    // a frame has come, and may be used
    input  wire                         given_up,  // its last word is used with this step
    input  wire                         read,      // a step
    input  wire  [    ADDRESS_BITS-1:0] address,
    output logic [BANKS*LANES*BITS-1:0] data
);
  localparam int ROWS = PIXELS / BANKS;
  localparam int NEXT_PART = (ROWS - 1) * INNER + 1;
  localparam int WORD_BITS = INNER > 1 ? $clog2(INNER) : 1;
  localparam int PART_BITS = PARTS > 1 ? $clog2(PARTS) : 1;
  localparam int BANK_BITS = BANKS > 1 ? $clog2(BANKS) : 1;
  localparam int ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1;

  // ---- two halves, which fill up and are given up in turn -------------------------------------------------------------------------
  logic some, both;  // of the halves hold a frame
  logic coming, used;  // which half
  wire take = in_valid && in_ready;
  wire frame_ends;
  wire arrived = take && frame_ends;
  assign in_ready = !both;
  assign filled   = some;
  always_ff @(posedge clock) begin
    if (reset) begin
      some   <= 0;
      both   <= 0;
      coming <= 0;
      used   <= 0;
    end else begin
      some   <= arrived || both || (some && !given_up);
      both   <= (both || (some && arrived)) && !given_up;
      coming <= coming ^ arrived;
      used   <= used ^ given_up;
    end
  end

  // ---- where words go ---------------------------------------------------------------------------------------------------------
  wire [WORD_BITS-1:0] word;
  wire [PART_BITS-1:0] part;
  wire [BANK_BITS-1:0] bank;
  wire [ ROW_BITS-1:0] row;
  wire part_ends, last_part, last_bank, last_row;
  wire pixel_ends = part_ends && last_part;
  wire row_ends = pixel_ends && last_bank;
  assign frame_ends = row_ends && last_row;
  pqk_counter #(.LENGTH(INNER)) words (.clock, .reset, .advance(take), .count(word), .last(part_ends));
  pqk_counter #(.LENGTH(PARTS)) parts (.clock, .reset, .advance(take && part_ends), .count(part), .last(last_part));
  pqk_counter #(.LENGTH(BANKS)) banks (.clock, .reset, .advance(take && pixel_ends), .count(bank), .last(last_bank));
  pqk_counter #(.LENGTH(ROWS)) rows (.clock, .reset, .advance(take && row_ends), .count(row), .last(last_row));
  wire unused = &{word, part, row, bank};

  logic [ADDRESS_BITS-1:0] place, first_place;  // of the word, and of its pixel
  wire [ADDRESS_BITS-1:0] next_first = !last_bank ? first_place : last_row ? 0 : first_place + ADDRESS_BITS'(INNER);
  wire [ADDRESS_BITS-1:0] stride = part_ends ? ADDRESS_BITS'(NEXT_PART) : 1;
  always_ff @(posedge clock) begin
    if (reset) begin
      place <= 0;
      first_place <= 0;
    end else if (take) begin
      place <= pixel_ends ? next_first : place + stride;
      if (pixel_ends) first_place <= next_first;
    end
  end

  // ---- memory -----------------------------------------------------------------------------------------------------------------
  wire [BANKS*LANES*BITS-1:0] words_read, in_order;
  wire [ADDRESS_BITS:0] write_address = {coming, place};
  wire [ADDRESS_BITS:0] read_address = {used, address};
  generate
    for (genvar i = 0; i < BANKS; i++) begin : g_bank
      logic [LANES*BITS-1:0] memory[2**ADDRESS_BITS+DEPTH];
      logic [LANES*BITS-1:0] found;
      always_ff @(posedge clock) begin
        if (take && bank == BANK_BITS'(i)) memory[write_address] <= in_data;
        if (read) found <= memory[read_address];
      end
      assign words_read[i*LANES*BITS+:LANES*BITS] = found;
      for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
        localparam int TO = ACROSS ? lane * BANKS + i : i * LANES + lane;
        assign in_order[TO*BITS+:BITS] = words_read[(i*LANES+lane)*BITS+:BITS];
      end
    end
  endgenerate
  pqk_delay #(.WIDTH(BANKS * LANES * BITS), .STAGES(READ_STAGES - 1)) behind (.clock, .enable(read), .d(in_order), .q(data));

  if (PIXELS % BANKS != 0) begin : g_illegal
    $error("pixels that fill words were expected: PIXELS, BANKS");
  end
endmodule
`default_nettype wire
