# Names that Vivado knows: VLNV, properties (CONFIG.*), interfaces and pins of the blocks that a block design may hold.
# processing_system7, zynq_ultra_ps_e, axi_dma and proc_sys_reset: from handoff files that Vivado 2019.2 and 2020.2 wrote (those
# in the tests of pynqmetadata), with the pins of a second memory port and its clock added by analogy; smartconnect: AMD PG247.
set blocks {
  xilinx.com:ip:axi_dma:7.1 {
    config {c_include_sg c_enable_multi_channel c_num_mm2s_channels c_num_s2mm_channels c_sg_length_width c_dlytmr_resolution
      c_prmry_is_aclk_async c_sg_include_stscntrl_strm c_micro_dma c_include_mm2s c_m_axi_mm2s_data_width c_m_axis_mm2s_tdata_width
      c_include_mm2s_dre c_include_mm2s_sf c_mm2s_burst_size c_include_s2mm c_sg_use_stsapp_length c_m_axi_s2mm_data_width
      c_include_s2mm_dre c_include_s2mm_sf c_s2mm_burst_size c_addr_width c_single_interface c_increase_throughput}
    masters {M_AXI_MM2S M_AXI_S2MM M_AXIS_MM2S} slaves {S_AXI_LITE S_AXIS_S2MM}
    inputs {s_axi_lite_aclk m_axi_mm2s_aclk m_axi_s2mm_aclk axi_resetn}
    outputs {mm2s_prmry_reset_out_n s2mm_prmry_reset_out_n mm2s_introut s2mm_introut}
    optional {}
  }
  xilinx.com:ip:system_ila:1.1 {
    config {C_MON_TYPE C_NUM_MONITOR_SLOTS C_SLOT_0_INTF_TYPE C_SLOT_1_INTF_TYPE}
    masters {} slaves {} inputs {clk resetn} outputs {} optional {}
  }
  xilinx.com:ip:smartconnect:1.0 {
    config {NUM_SI NUM_MI NUM_CLKS HAS_ARESETN}
    masters {} slaves {} inputs {aclk aresetn} outputs {} optional {}
  }
  xilinx.com:ip:proc_sys_reset:5.0 {
    config {C_EXT_RST_WIDTH C_AUX_RST_WIDTH C_EXT_RESET_HIGH C_AUX_RESET_HIGH C_NUM_BUS_RST C_NUM_PERP_RST}
    masters {} slaves {}
    inputs {slowest_sync_clk ext_reset_in aux_reset_in mb_debug_sys_rst dcm_locked}
    outputs {mb_reset bus_struct_reset peripheral_reset interconnect_aresetn peripheral_aresetn}
    optional {aux_reset_in mb_debug_sys_rst dcm_locked}
  }
  xilinx.com:ip:zynq_ultra_ps_e:3.5 {
    config {PSU__FPGA_PL0_ENABLE PSU__USE__M_AXI_GP0 PSU__MAXIGP0__DATA_WIDTH PSU__USE__M_AXI_GP1 PSU__MAXIGP1__DATA_WIDTH
      PSU__USE__M_AXI_GP2 PSU__MAXIGP2__DATA_WIDTH PSU__USE__S_AXI_GP0 PSU__USE__S_AXI_GP1 PSU__USE__S_AXI_GP2
      PSU__SAXIGP2__DATA_WIDTH PSU__USE__S_AXI_GP3 PSU__SAXIGP3__DATA_WIDTH PSU__USE__FABRIC__RST PSU__NUM_FABRIC_RESETS
      PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0 PSU__CRL_APB__PL0_REF_CTRL__DIVISOR1 PSU__CRL_APB__PL0_REF_CTRL__SRCSEL
      PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ}
    masters {M_AXI_HPM0_FPD} slaves {S_AXI_HP0_FPD} inputs {maxihpm0_fpd_aclk saxihp0_fpd_aclk} outputs {pl_clk0 pl_resetn0} optional {}
  }
  xilinx.com:ip:processing_system7:5.5 {
    config {PCW_FCLK_CLK0_BUF PCW_FPGA0_PERIPHERAL_FREQMHZ PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ PCW_FCLK0_PERIPHERAL_DIVISOR0
      PCW_FCLK0_PERIPHERAL_DIVISOR1 PCW_USE_M_AXI_GP0 PCW_USE_M_AXI_GP1 PCW_USE_S_AXI_GP0 PCW_USE_S_AXI_GP1 PCW_USE_S_AXI_ACP
      PCW_USE_S_AXI_HP0 PCW_USE_S_AXI_HP1 PCW_USE_S_AXI_HP2 PCW_USE_S_AXI_HP3 PCW_S_AXI_HP0_DATA_WIDTH PCW_EN_CLK0_PORT
      PCW_EN_RST0_PORT PCW_FCLK0_PERIPHERAL_CLKSRC}
    masters {M_AXI_GP0} slaves {S_AXI_HP0} inputs {M_AXI_GP0_ACLK S_AXI_HP0_ACLK} outputs {FCLK_CLK0 FCLK_RESET0_N} optional {}
  }
  pyqkit.io:hls:network:1.0 {
    config {} masters {out_0} slaves {in_0} inputs {ap_clk ap_rst_n} outputs {} optional {}
  }
  pyqkit.io:rtl:counters:1.0 {
    config {IN_BITS OUT_BITS BEATS} masters {m_in m_out} slaves {s_axi s_in s_out} inputs {aclk aresetn} outputs {} optional {}
  }
  pyqkit.io:rtl:array:1.0 {
    config {} masters {m_axis_0} slaves {s_axi s_axis_0} inputs {aclk aresetn} outputs {} optional {}
  }
  pyqkit.io:rtl:network:1.0 {
    config {} masters {m_axis_0} slaves {s_axis_0} inputs {aclk aresetn} outputs {} optional {}
  }
}
