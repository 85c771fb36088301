// What pools share: words of POSITIONS pixels come in, a result is kept for each word of a pixel and leaves after the last one.
// Outside, a word is prepared in STAGES registers that move with `step`; `result` must then follow combinationally from it, from
// `known`, the result so far, and from `begins`: there is none yet.
`default_nettype none
module pqk_pool_control #(
    parameter int BITS = 4,  // of a result
    parameter int POSITIONS = 4,
    parameter int DEPTH = 1,  // words of a pixel
    parameter int STAGES = 1
) (
    input  wire             clock,
    input  wire             reset,
    input  wire             in_valid,
    output logic            in_ready,
    output logic            out_valid,
    input  wire             out_ready,
    output logic [BITS-1:0] out_data,
    output logic            step,
    output logic            begins,
    output logic [BITS-1:0] known,
    input  wire  [BITS-1:0] result
);
  localparam int ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int POSITION_BITS = POSITIONS > 1 ? $clog2(POSITIONS) : 1;

  logic [STAGES-1:0] valid;
  wire [STAGES:0] moving = {valid, in_valid};
  wire prepared = step && valid[STAGES-1];
  wire entering = step && moving[STAGES-1];  // prepared from the next step on
  wire [ADDRESS_BITS-1:0] address;
  wire [POSITION_BITS-1:0] position;
  wire end_pixel, last, unused = &{position, moving};
  logic first, leaves;
  assign step = out_ready || !out_valid;
  assign in_ready = step;
  pqk_counter #(
      .LENGTH(DEPTH)
  ) words (
      .clock,
      .reset,
      .advance(entering),
      .count(address),
      .last(end_pixel)
  );
  pqk_counter #(
      .LENGTH(POSITIONS)
  ) positions (
      .clock,
      .reset,
      .advance(entering && end_pixel),
      .count(position),
      .last
  );

  always_ff @(posedge clock) begin
    if (reset) begin
      valid <= 0;
      leaves <= 0;
      out_valid <= 0;
      first <= 1;
    end else if (step) begin
      valid <= moving[STAGES-1:0];
      leaves <= moving[STAGES-1] && last;
      out_valid <= leaves;
      if (entering && end_pixel) first <= last;
    end
    if (step) begins <= first;
    if (step && leaves) out_data <= result;
  end

  generate
    if (DEPTH > 1) begin : g_memory  // a word is read while that before it is written, to another address
      logic [BITS-1:0] memory[DEPTH];
      logic [ADDRESS_BITS-1:0] written;
      always_ff @(posedge clock) begin
        if (step) begin
          known   <= memory[address];
          written <= address;
        end
        if (prepared) memory[written] <= result;
      end
    end else begin : g_register
      always_ff @(posedge clock) if (prepared) known <= result;
      wire unused_address = address;
    end
  endgenerate

  if (POSITIONS < 1 || DEPTH < 1 || STAGES < 1) begin : g_illegal
    $error("a pixel of a word, and a register, at least were expected: POSITIONS, DEPTH, STAGES");
  end
endmodule
`default_nettype wire
