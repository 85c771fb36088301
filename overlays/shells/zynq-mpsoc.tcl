# Zynq UltraScale+ MPSoC, RFSoC and Kria: one port for control (HPM0_FPD), one into memory (HP0_FPD), PL clock 0 and its reset.
# The clock comes from the IO PLL: PYNQ leaves the source as the boot image has it, and images have that one.
proc processing_system {clock_mhz} {
  set cell [create_bd_cell -type ip -vlnv [newest xilinx.com:ip:zynq_ultra_ps_e] zynq_ultra_ps_e_0]
  apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e -config {apply_board_preset "1"} $cell
  set_property -dict [list \
    CONFIG.PSU__FPGA_PL0_ENABLE 1 \
    CONFIG.PSU__CRL_APB__PL0_REF_CTRL__SRCSEL IOPLL \
    CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $clock_mhz \
    CONFIG.PSU__USE__FABRIC__RST 1 \
    CONFIG.PSU__NUM_FABRIC_RESETS 1 \
    CONFIG.PSU__USE__M_AXI_GP0 1 \
    CONFIG.PSU__MAXIGP0__DATA_WIDTH 32 \
    CONFIG.PSU__USE__M_AXI_GP1 0 \
    CONFIG.PSU__USE__M_AXI_GP2 0 \
    CONFIG.PSU__USE__S_AXI_GP2 1 \
    CONFIG.PSU__SAXIGP2__DATA_WIDTH 128 \
  ] $cell
  return {
    cell zynq_ultra_ps_e_0
    clock pl_clk0
    reset pl_resetn0
    control M_AXI_HPM0_FPD
    memory S_AXI_HP0_FPD
    clocked {maxihpm0_fpd_aclk saxihp0_fpd_aclk}
    reached_clock PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ
  }
}
