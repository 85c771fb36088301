// A code to the integer that it stands for: by sign extension and zero point, or by a table of all codes.
`default_nettype none
module pqk_decode #(
    parameter int BITS = 8,
    parameter int WIDTH = 9,  // of the signed integer; what does not fit is cut off
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter FILE = ""  // hexadecimal, one integer a line, if TABLE
) (
    input  wire  [ BITS-1:0] code,
    output logic [WIDTH-1:0] integer_value
);
  generate
    if (TABLE) begin : g_table
      (* ram_style = "registers", rom_style = "distributed" *) logic [WIDTH-1:0] integers[2**BITS];
      initial $readmemh(FILE, integers);
      assign integer_value = integers[code];
    end else begin : g_arithmetic
      localparam int WIDE = (BITS > WIDTH ? BITS : WIDTH) + 1;
      wire [WIDE-1:0] extended = {{(WIDE - BITS) {SIGNED && code[BITS-1]}}, code};
      wire [WIDE-1:0] shifted = extended - WIDE'(ZERO_POINT);
      assign integer_value = shifted[WIDTH-1:0];
      wire unused = &shifted;
    end
  endgenerate
endmodule
`default_nettype wire
