// Counters of a machine, read over AXI4-Lite; at each mark they are recorded, so that their differences say what a layer took.
//
//   0x0000 MARKS         that came since the counters were cleared; a write clears all
//   0x0004 CYCLES        since then
//   0x0008 INPUT_WAITS   cycles in which the machine, at work, waited for a word
//   0x000c OUTPUT_WAITS  cycles in which a word of results waited to be taken
//   0x1000 + 16 i        CYCLES, INPUT_WAITS and OUTPUT_WAITS at mark i, of the first RECORDS marks
`default_nettype none
module pqk_array_counters #(
    parameter int RECORDS = 256,
    localparam int PLACE = $clog2(RECORDS)
) (
    input  wire         clock,
    input  wire         reset,
    input  wire         mark,
    input  wire         input_waits,
    input  wire         output_waits,
    input  wire  [12:0] s_axi_awaddr,
    input  wire         s_axi_awvalid,
    output logic        s_axi_awready,
    input  wire  [31:0] s_axi_wdata,
    input  wire  [ 3:0] s_axi_wstrb,
    input  wire         s_axi_wvalid,
    output logic        s_axi_wready,
    output logic [ 1:0] s_axi_bresp,
    output logic        s_axi_bvalid,
    input  wire         s_axi_bready,
    input  wire  [12:0] s_axi_araddr,
    input  wire         s_axi_arvalid,
    output logic        s_axi_arready,
    output logic [31:0] s_axi_rdata,
    output logic [ 1:0] s_axi_rresp,
    output logic        s_axi_rvalid,
    input  wire         s_axi_rready
);
  // A write is taken when address and data are there; only that of the first register does something.
  wire write = s_axi_awvalid && s_axi_wvalid && !s_axi_bvalid;
  wire clear = reset || (write && s_axi_awaddr[12:2] == 0);
  assign s_axi_awready = write;
  assign s_axi_wready = write;
  assign s_axi_bresp = '0;
  always_ff @(posedge clock) begin
    if (reset) s_axi_bvalid <= 0;
    else if (write) s_axi_bvalid <= 1;
    else if (s_axi_bready) s_axi_bvalid <= 0;
  end

  // What is seen is registered, so that no path goes from the machine into the counters.
  logic marked, given, taken;
  logic [31:0] marks, cycles, input_count, output_count;
  always_ff @(posedge clock) begin
    {marked, given, taken} <= {mark, input_waits, output_waits};
    if (clear) begin
      {marked, given, taken} <= '0;
      {marks, cycles, input_count, output_count} <= '0;
    end else begin
      marks <= marks + 32'(marked);
      cycles <= cycles + 1;
      input_count <= input_count + 32'(given);
      output_count <= output_count + 32'(taken);
    end
  end

  logic [95:0] record;
  pqk_array_memory #(
      .WIDTH(96),
      .DEPTH(RECORDS)
  ) records (
      .clock,
      .write(marked && marks < RECORDS),
      .write_address(marks[PLACE-1:0]),
      .write_data({output_count, input_count, cycles}),
      .read(1'b1),
      .address(s_axi_araddr[4+:PLACE]),
      .data(record)
  );

  // An address stays until its ready, a cycle after its record is there.
  logic there;
  assign s_axi_arready = there && !s_axi_rvalid;
  assign s_axi_rresp   = '0;
  always_ff @(posedge clock) begin
    there <= s_axi_arvalid && !s_axi_arready && !s_axi_rvalid;
    if (s_axi_arvalid && s_axi_arready) begin
      s_axi_rvalid <= 1;
      case ({
        s_axi_araddr[12], s_axi_araddr[3:2]
      })
        0: s_axi_rdata <= marks;
        1: s_axi_rdata <= cycles;
        2: s_axi_rdata <= input_count;
        3: s_axi_rdata <= output_count;
        4: s_axi_rdata <= record[31:0];
        5: s_axi_rdata <= record[63:32];
        6: s_axi_rdata <= record[95:64];
        default: s_axi_rdata <= '0;
      endcase
    end else if (s_axi_rready) begin
      s_axi_rvalid <= 0;
    end
    if (reset) {there, s_axi_rvalid} <= '0;
  end
  wire unused = &{s_axi_wdata, s_axi_wstrb, s_axi_awaddr[1:0], s_axi_araddr[1:0]};
endmodule
`default_nettype wire
