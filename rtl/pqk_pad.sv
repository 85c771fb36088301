// Adds rows, columns and channels of the code of zero; counts in words of the stream.
`default_nettype none
module pqk_pad #(
    parameter int BITS = 4,  // of a word
    parameter int HEIGHT = 4,
    parameter int WIDTH = 4,
    parameter int WORDS = 1,  // of a pixel
    parameter int TOP = 0,
    parameter int LEFT = 0,
    parameter int FRONT = 0,
    parameter int BOTTOM = 0,
    parameter int RIGHT = 0,
    parameter int BACK = 0,
    parameter bit [BITS-1:0] FILL = 0
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
  wire row_inside, column_inside, word_inside, end_pixel, end_row, end_frame;
  wire inside_frame = row_inside && column_inside && word_inside;
  wire advance = out_valid && out_ready;

  pqk_pad_axis #(
      .BEFORE(FRONT),
      .LENGTH(WORDS),
      .AFTER (BACK)
  ) words (
      .clock,
      .reset,
      .advance,
      .inside_frame(word_inside),
      .wraps (end_pixel)
  );
  pqk_pad_axis #(
      .BEFORE(LEFT),
      .LENGTH(WIDTH),
      .AFTER (RIGHT)
  ) columns (
      .clock,
      .reset,
      .advance(end_pixel),
      .inside_frame(column_inside),
      .wraps(end_row)
  );
  pqk_pad_axis #(
      .BEFORE(TOP),
      .LENGTH(HEIGHT),
      .AFTER (BOTTOM)
  ) rows (
      .clock,
      .reset,
      .advance(end_row),
      .inside_frame(row_inside),
      .wraps(end_frame)
  );

  assign in_ready  = inside_frame && out_ready;
  assign out_valid = !inside_frame || in_valid;
  assign out_data  = inside_frame ? in_data : FILL;
  wire unused = end_frame;
endmodule
`default_nettype wire
