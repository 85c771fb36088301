# Zynq-7000: one port for control (GP0), one into memory (HP0), PL clock 0 and its reset.
proc processing_system {clock_mhz} {
  set cell [create_bd_cell -type ip -vlnv [newest xilinx.com:ip:processing_system7] processing_system7_0]
  apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 -config {make_external "FIXED_IO, DDR" apply_board_preset "1" Master "Disable" Slave "Disable"} $cell
  set_property -dict [list \
    CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $clock_mhz \
    CONFIG.PCW_FCLK0_PERIPHERAL_CLKSRC {IO PLL} \
    CONFIG.PCW_EN_CLK0_PORT 1 \
    CONFIG.PCW_EN_RST0_PORT 1 \
    CONFIG.PCW_USE_M_AXI_GP0 1 \
    CONFIG.PCW_USE_M_AXI_GP1 0 \
    CONFIG.PCW_USE_S_AXI_HP0 1 \
    CONFIG.PCW_S_AXI_HP0_DATA_WIDTH 64 \
  ] $cell
  return {
    cell processing_system7_0
    clock FCLK_CLK0
    reset FCLK_RESET0_N
    control M_AXI_GP0
    memory S_AXI_HP0
    clocked {M_AXI_GP0_ACLK S_AXI_HP0_ACLK}
    reached_clock PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ
  }
}
