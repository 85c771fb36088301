// Rows and columns START, START + STEP, ... of a frame, SIZE of them; the other words are dropped.
`default_nettype none
module pqk_slice #(
    parameter int BITS = 4,  // of a word
    parameter int HEIGHT = 4,
    parameter int WIDTH = 4,
    parameter int WORDS = 1,  // of a pixel
    parameter int START_ROW = 0,
    parameter int START_COLUMN = 0,
    parameter int STEP_ROWS = 2,
    parameter int STEP_COLUMNS = 2,
    parameter int ROWS = 2,
    parameter int COLUMNS = 2
) (
    input  wire             clock,
    input  wire             reset,
    input  wire             in_valid,
    output logic            in_ready,
    input  wire  [BITS-1:0] in_data,
    output logic            out_valid,
    input  wire             out_ready,
    output logic [BITS-1:0] out_data
);
  localparam int WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
  logic [WORD_BITS-1:0] word;
  wire kept_row, kept_column;
  wire take = in_valid && in_ready;
  wire end_pixel = take && word == WORD_BITS'(WORDS - 1);
  wire end_row, end_frame;

  pqk_slice_axis #(
      .LENGTH(WIDTH),
      .START(START_COLUMN),
      .STEP(STEP_COLUMNS),
      .SIZE(COLUMNS)
  ) columns (
      .clock,
      .reset,
      .advance(end_pixel),
      .kept(kept_column),
      .wraps(end_row)
  );
  pqk_slice_axis #(
      .LENGTH(HEIGHT),
      .START(START_ROW),
      .STEP(STEP_ROWS),
      .SIZE(ROWS)
  ) rows (
      .clock,
      .reset,
      .advance(end_row),
      .kept(kept_row),
      .wraps(end_frame)
  );

  always_ff @(posedge clock) begin
    if (reset) word <= 0;
    else if (take) word <= end_pixel ? 0 : word + 1;
  end
  wire kept = kept_row && kept_column;
  assign in_ready  = !kept || out_ready;
  assign out_valid = kept && in_valid;
  assign out_data  = in_data;
  wire unused = end_frame;
endmodule
`default_nettype wire
