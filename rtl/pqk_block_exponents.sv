// The exponents of a word of weights out of a memory that holds that of every block once, for each PE and segment.
//
// A word of the memory serves SPAN words of weights and holds HELD exponents of each PE, of BLOCK lanes each; a kernel position
// has ROW words of weights and begins with a word of exponents. `address` is read as that of the weights: `held` is its word
// READ_STAGES steps later. So many steps after one with `valid` come the exponents of the next word of weights.
`default_nettype none
module pqk_block_exponents #(
    parameter int PE = 1,
    parameter int SIMD = 8,
    parameter int SEGMENT = 4,
    parameter int BLOCK = 4,
    parameter int HELD = 2,
    parameter int SPAN = 1,
    parameter int ROW = 1,
    parameter int DEPTH = 2,  // words of the memory
    parameter int E = 2,  // bits of an exponent
    parameter int READ_STAGES = 2,
    localparam int ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  wire                            clock,
    input  wire                            reset,
    input  wire                            enable,
    input  wire                            valid,
    output logic [       ADDRESS_BITS-1:0] address,
    input  wire  [          PE*HELD*E-1:0] held,
    output logic [PE*(SIMD/SEGMENT)*E-1:0] exponents
);
  if (SIMD % SEGMENT != 0 || HELD * BLOCK < SPAN * SIMD || E < 1) begin : g_illegal
    $error("segments of words that have exponents were expected: SIMD, SEGMENT, HELD, BLOCK, SPAN, E");
  end

  localparam int SEGMENTS = SIMD / SEGMENT;
  localparam int SPAN_BITS = SPAN > 1 ? $clog2(SPAN) : 1;
  localparam int ROW_BITS = ROW > 1 ? $clog2(ROW) : 1;
  logic [SPAN_BITS-1:0] place;  // of the word of weights within that of exponents
  wire [SPAN_BITS-1:0] read_place;
  logic row_ends;
  wire turn = place == SPAN_BITS'(SPAN - 1) || row_ends;

  always_ff @(posedge clock) begin
    if (reset) begin
      address <= 0;
      place   <= 0;
    end else if (enable && valid) begin
      place <= turn ? 0 : place + 1;
      if (turn) address <= address == ADDRESS_BITS'(DEPTH - 1) ? 0 : address + 1;
    end
  end
  pqk_delay #(.WIDTH(SPAN_BITS), .STAGES(READ_STAGES)) reading (.clock, .enable, .d(place), .q(read_place));

  if (ROW % SPAN != 0) begin : g_row  // the last word of exponents of a kernel position serves fewer words
    logic [ROW_BITS-1:0] word;
    assign row_ends = word == ROW_BITS'(ROW - 1);
    always_ff @(posedge clock) begin
      if (reset) word <= 0;
      else if (enable && valid) word <= row_ends ? 0 : word + 1;
    end
  end else begin : g_even
    assign row_ends = 0;
  end

  for (genvar pe = 0; pe < PE; pe++) begin : g_pe
    for (genvar i = 0; i < SEGMENTS; i++) begin : g_segment
      wire [SPAN*E-1:0] choices;
      for (genvar p = 0; p < SPAN; p++) begin : g_place
        assign choices[p*E+:E] = held[(pe*HELD+(p*SIMD+i*SEGMENT)/BLOCK)*E+:E];
      end
      if (HELD > 1 && SPAN > 1) begin : g_choose
        assign exponents[(pe*SEGMENTS+i)*E+:E] = choices[read_place*E+:E];
      end else begin : g_same
        assign exponents[(pe*SEGMENTS+i)*E+:E] = choices[0+:E];
        wire unused = &{read_place, choices};
      end
    end
  end
endmodule
`default_nettype wire
