// Constants with a registered read, so that they can become block RAM; one word alone is a literal and takes nothing. With two
// STAGES there is a register behind the memory, which makes up for the time that a block RAM takes; if it is made of LUTs, a register
// before the last choice, between both halves.
`default_nettype none
module pqk_rom #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 2,
    parameter FILE = "",  // hexadecimal, one word a line; not read if DEPTH is 1
    parameter bit [WIDTH-1:0] VALUE = 0,  // the word if DEPTH is 1
    parameter MEMORY = "auto",  // "lut", "block", or left to the tool
    parameter int STAGES = 1,  // steps from an address to its word
    localparam int ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  wire                     clock,
    input  wire                     enable,
    input  wire  [ADDRESS_BITS-1:0] address,
    output logic [       WIDTH-1:0] data
);
  if (WIDTH < 1 || DEPTH < 1 || STAGES < 1) begin : g_illegal
    $error("a word and a step at least were expected: WIDTH, DEPTH, STAGES");
  end

  // Vivado takes rom_style for constants. Yosys knows LUT RAM alone as "distributed", but reads ram_style first, where
  // "registers" gives logic.
  /* verilator lint_off UNUSEDPARAM */
  /* verilator lint_off WIDTHEXPAND */
  localparam ROM_STYLE = MEMORY == "lut" ? "distributed" : MEMORY;
  localparam RAM_STYLE = MEMORY == "lut" ? "registers" : MEMORY;
  localparam bit HALVES = DEPTH > 2 && STAGES > 1 && MEMORY == "lut";
  /* verilator lint_on UNUSEDPARAM */
  /* verilator lint_on WIDTHEXPAND */
  generate
    if (HALVES) begin : g_halves
      localparam int TOP = ADDRESS_BITS - 1;
      (* ram_style = RAM_STYLE, rom_style = ROM_STYLE *) logic [WIDTH-1:0] memory[2**ADDRESS_BITS];
      logic [WIDTH-1:0] lower, upper, word;
      logic is_upper;
      initial $readmemh(FILE, memory, 0, DEPTH - 1);
      always_ff @(posedge clock) begin
        if (enable) begin
          lower <= memory[{1'b0, address[TOP-1:0]}];
          upper <= memory[{1'b1, address[TOP-1:0]}];
          is_upper <= address[TOP];
          word <= is_upper ? upper : lower;
        end
      end
      pqk_delay #(.WIDTH(WIDTH), .STAGES(STAGES - 2)) behind (.clock, .enable, .d(word), .q(data));
    end else if (DEPTH > 1) begin : g_memory
      (* ram_style = RAM_STYLE, rom_style = ROM_STYLE *) logic [WIDTH-1:0] memory[DEPTH];
      logic [WIDTH-1:0] word;
      initial $readmemh(FILE, memory);
      always_ff @(posedge clock) if (enable) word <= memory[address];
      pqk_delay #(.WIDTH(WIDTH), .STAGES(STAGES - 1)) behind (.clock, .enable, .d(word), .q(data));
    end else begin : g_literal
      assign data = VALUE;
      wire unused = &{clock, enable, address};
    end
  endgenerate
endmodule
`default_nettype wire
