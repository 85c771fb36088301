// Golden vectors for the SystemVerilog: files of hexadecimal digits, one beat a line, with stalls at random.
`timescale 1ns / 1ps
`default_nettype none
module pqk_golden_source #(
    parameter int BITS = 8,
    parameter int BEATS = 1,  // of a frame
    parameter int FRAMES = 1,
    parameter     FILE = ""
) (
    input  wire             clock,
    input  wire             reset,
    output logic            tvalid,
    input  wire             tready,
    output logic [BITS-1:0] tdata,
    output logic            tlast
);
  logic [BITS-1:0] beats[BEATS*FRAMES];
  int place;
  initial $readmemh(FILE, beats);
  assign tdata = place < BEATS * FRAMES ? beats[place] : '0;
  assign tlast = place % BEATS == BEATS - 1;
  always_ff @(posedge clock) begin
    if (reset) begin
      place  <= 0;
      tvalid <= 0;
    end else if (tvalid && tready) begin
      place  <= place + 1;
      tvalid <= place + 1 < BEATS * FRAMES && $urandom_range(3) != 0;
    end else if (!tvalid) begin
      tvalid <= place < BEATS * FRAMES && $urandom_range(3) != 0;
    end
  end
endmodule

module pqk_golden_sink #(
    parameter int BITS = 8,
    parameter int BEATS = 1,  // of a frame
    parameter int FRAMES = 1,
    parameter     FILE = ""
) (
    input  wire             clock,
    input  wire             reset,
    input  wire             tvalid,
    output logic            tready,
    input  wire  [BITS-1:0] tdata,
    input  wire             tlast,
    output logic            done,
    output int              wrong
);
  logic [BITS-1:0] beats[BEATS*FRAMES];
  int place;
  initial $readmemh(FILE, beats);
  assign done = place == BEATS * FRAMES;
  always_ff @(posedge clock) begin
    tready <= !reset && $urandom_range(3) != 0;
    if (reset) begin
      place <= 0;
      wrong <= 0;
    end else if (tvalid && tready && !done) begin
      place <= place + 1;
      if (tdata !== beats[place] || tlast !== (place % BEATS == BEATS - 1)) wrong <= wrong + 1;
    end
  end
endmodule
`default_nettype wire
