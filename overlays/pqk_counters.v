// Counts what passes between a DMA and an accelerator: cycles, frames and stalls, read over AXI4-Lite. Both streams go straight
// through. In plain Verilog, as Vivado packages it.
//
//   0x00 CLEAR          a write clears all counters
//   0x04 CYCLES         from the first beat that the accelerator takes to the last beat of the last whole frame of results
//   0x08 FRAMES         whole frames of results that the DMA has taken
//   0x0c INPUT_STALLS   cycles in which a beat waits for the accelerator
//   0x10 OUTPUT_STALLS  cycles in which a beat of results waits for the DMA
`default_nettype none
module pqk_counters #(
    parameter IN_BITS = 8,
    parameter OUT_BITS = 8,
    parameter BEATS = 1  // of a frame of results
) (
    (* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 aclk CLK", X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF s_axi:s_in:m_in:s_out:m_out, ASSOCIATED_RESET aresetn" *)
    input  wire                aclk,
    (* X_INTERFACE_INFO = "xilinx.com:signal:reset:1.0 aresetn RST", X_INTERFACE_PARAMETER = "POLARITY ACTIVE_LOW" *)
    input  wire                aresetn,
    input  wire                s_in_tvalid,
    output wire                s_in_tready,
    input  wire [ IN_BITS-1:0] s_in_tdata,
    input  wire                s_in_tlast,
    output wire                m_in_tvalid,
    input  wire                m_in_tready,
    output wire [ IN_BITS-1:0] m_in_tdata,
    output wire                m_in_tlast,
    input  wire                s_out_tvalid,
    output wire                s_out_tready,
    input  wire [OUT_BITS-1:0] s_out_tdata,
    input  wire                s_out_tlast,
    output wire                m_out_tvalid,
    input  wire                m_out_tready,
    output wire [OUT_BITS-1:0] m_out_tdata,
    output wire                m_out_tlast,
    input  wire [         4:0] s_axi_awaddr,
    input  wire                s_axi_awvalid,
    output wire                s_axi_awready,
    input  wire [        31:0] s_axi_wdata,
    input  wire [         3:0] s_axi_wstrb,
    input  wire                s_axi_wvalid,
    output wire                s_axi_wready,
    output wire [         1:0] s_axi_bresp,
    output reg                 s_axi_bvalid,
    input  wire                s_axi_bready,
    input  wire [         4:0] s_axi_araddr,
    input  wire                s_axi_arvalid,
    output wire                s_axi_arready,
    output reg  [        31:0] s_axi_rdata,
    output wire [         1:0] s_axi_rresp,
    output reg                 s_axi_rvalid,
    input  wire                s_axi_rready
);
  assign m_in_tvalid = s_in_tvalid;
  assign s_in_tready = m_in_tready;
  assign m_in_tdata = s_in_tdata;
  assign m_in_tlast = s_in_tlast;
  assign m_out_tvalid = s_out_tvalid;
  assign s_out_tready = m_out_tready;
  assign m_out_tdata = s_out_tdata;
  assign m_out_tlast = s_out_tlast;

  // A write is taken when address and data are there; only the first register does something.
  wire write = s_axi_awvalid && s_axi_wvalid && !s_axi_bvalid;
  wire clear = !aresetn || (write && s_axi_awaddr[4:2] == 0);
  assign s_axi_awready = write;
  assign s_axi_wready = write;
  assign s_axi_bresp = 0;
  always @(posedge aclk) begin
    if (!aresetn) s_axi_bvalid <= 0;
    else if (write) s_axi_bvalid <= 1;
    else if (s_axi_bready) s_axi_bvalid <= 0;
  end

  // What is seen is registered, so that no path goes from the streams into the counters.
  reg taken, stalls, given, held;
  always @(posedge aclk) begin
    taken  <= aresetn && s_in_tvalid && m_in_tready;
    stalls <= aresetn && s_in_tvalid && !m_in_tready;
    given  <= aresetn && s_out_tvalid && m_out_tready;
    held   <= aresetn && s_out_tvalid && !m_out_tready;
  end

  reg running;
  reg [31:0] now, cycles, frames, beats, input_stalls, output_stalls;
  wire frame_ends = given && beats == BEATS - 1;
  always @(posedge aclk) begin
    if (clear) begin
      running <= 0;
      now <= 0;
      cycles <= 0;
      frames <= 0;
      beats <= 0;
      input_stalls <= 0;
      output_stalls <= 0;
    end else begin
      running <= running || taken;
      if (running || taken) now <= now + 1;
      if (frame_ends) cycles <= now + 1;
      if (frame_ends) frames <= frames + 1;
      if (given) beats <= frame_ends ? 0 : beats + 1;
      if (stalls) input_stalls <= input_stalls + 1;
      if (held) output_stalls <= output_stalls + 1;
    end
  end

  assign s_axi_arready = !s_axi_rvalid;
  assign s_axi_rresp   = 0;
  always @(posedge aclk) begin
    if (!aresetn) s_axi_rvalid <= 0;
    else if (s_axi_arvalid && !s_axi_rvalid) s_axi_rvalid <= 1;
    else if (s_axi_rready) s_axi_rvalid <= 0;
    if (s_axi_arvalid && !s_axi_rvalid) begin
      case (s_axi_araddr[4:2])
        1: s_axi_rdata <= cycles;
        2: s_axi_rdata <= frames;
        3: s_axi_rdata <= input_stalls;
        4: s_axi_rdata <= output_stalls;
        default: s_axi_rdata <= 0;
      endcase
    end
  end
  wire unused = &{s_axi_wdata, s_axi_wstrb, s_axi_awaddr[1:0], s_axi_araddr[1:0]};
endmodule
`default_nettype wire
