// What pools share: words of POSITIONS pixels come in, a result is kept for each word of a pixel and leaves after the last one.
// `result` must follow combinationally from `word`, `known` (the result so far) and `first` (there is none yet).
`default_nettype none
module pqk_pool_control #(
    parameter int IN_BITS = 4,
    parameter int OUT_BITS = 4,
    parameter int POSITIONS = 4,
    parameter int DEPTH = 1  // words of a pixel
) (
    input  wire                 clock,
    input  wire                 reset,
    input  wire                 in_valid,
    output logic                in_ready,
    input  wire  [ IN_BITS-1:0] in_data,
    output logic                out_valid,
    input  wire                 out_ready,
    output logic [OUT_BITS-1:0] out_data,
    output logic [ IN_BITS-1:0] word,
    output logic [OUT_BITS-1:0] known,
    output logic                first,
    input  wire  [OUT_BITS-1:0] result
);
  localparam int ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int POSITION_BITS = POSITIONS > 1 ? $clog2(POSITIONS) : 1;

  logic [OUT_BITS-1:0] memory[DEPTH];
  wire [ADDRESS_BITS-1:0] address;
  wire [POSITION_BITS-1:0] position;
  wire end_pixel, last, unused = &position;
  logic valid;
  wire step = out_ready || !out_valid;
  assign in_ready = step;
  assign known = memory[address];
  pqk_counter #(
      .LENGTH(DEPTH)
  ) words (
      .clock,
      .reset,
      .advance(step && valid),
      .count(address),
      .last(end_pixel)
  );
  pqk_counter #(
      .LENGTH(POSITIONS)
  ) positions (
      .clock,
      .reset,
      .advance(step && valid && end_pixel),
      .count(position),
      .last(last)
  );

  always_ff @(posedge clock) begin
    if (step) word <= in_data;
    if (step && valid) memory[address] <= result;
    if (step && valid && last) out_data <= result;
  end
  always_ff @(posedge clock) begin
    if (reset) begin
      valid <= 0;
      out_valid <= 0;
      first <= 1;
    end else if (step) begin
      valid <= in_valid;
      out_valid <= valid && last;
      if (valid && end_pixel) first <= last;
    end
  end

  if (POSITIONS < 1 || DEPTH < 1) begin : g_illegal
    $error("a pixel of a word at least was expected: POSITIONS, DEPTH");
  end
endmodule
`default_nettype wire
