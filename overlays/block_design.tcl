# The block design: processing system, AXI DMA in direct mode, the accelerator between its two streams; one clock, one reset.
set here [file dirname [file normalize [info script]]]
source $here/settings.tcl
source $here/shells/[dict get $settings family].tcl
cd $here/work

proc newest {vlnv} {
  set found [get_ipdefs -all $vlnv:*]
  if {![llength $found]} {
    error "ERROR: the IP block $vlnv was expected in this Vivado, but there is none; install support for the device family"
  }
  return [get_property VLNV [lindex [lsort -dictionary $found] end]]
}

proc pin {name} { return [get_bd_pins $name] }
proc port {name} { return [get_bd_intf_pins $name] }

set board_part [dict get $settings board_part]
if {![llength [get_board_parts -quiet $board_part]]} {
  error "ERROR: the board files of $board_part were expected in this Vivado, but there are none; install them with xhub or from the maker of the board"
}
create_project -force project project -part [dict get $settings part]
set_property board_part $board_part [current_project]
set_property ip_repo_paths [file normalize ip] [current_project]
update_ip_catalog
create_bd_design shell

# ---- blocks
set ps [processing_system [dict get $settings clock_mhz]]
set system [dict get $ps cell]
set reached [get_property CONFIG.[dict get $ps reached_clock] [get_bd_cells $system]]
if {$reached > [dict get $settings clock_mhz] * 1.001} {
  error "ERROR: a clock of at most [dict get $settings clock_mhz] MHz was expected, but the processing system gives $reached; compile with --clock-mhz at a rate it can reach"
}
create_bd_cell -type ip -vlnv [newest xilinx.com:ip:proc_sys_reset] reset_0
set dma [create_bd_cell -type ip -vlnv [dict get $settings dma_vlnv] axi_dma_0]
set_property -dict [dict get $settings dma] $dma
create_bd_cell -type ip -vlnv [dict get $settings vlnv] accelerator_0
set control [create_bd_cell -type ip -vlnv [newest xilinx.com:ip:smartconnect] control]
set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 1} $control
set memory [create_bd_cell -type ip -vlnv [newest xilinx.com:ip:smartconnect] memory]
set_property -dict {CONFIG.NUM_SI 2 CONFIG.NUM_MI 1} $memory

# ---- buses
lassign [dict get $settings streams] input output
connect_bd_intf_net [port $system/[dict get $ps control]] [port control/S00_AXI]
connect_bd_intf_net [port control/M00_AXI] [port axi_dma_0/S_AXI_LITE]
connect_bd_intf_net [port axi_dma_0/M_AXI_MM2S] [port memory/S00_AXI]
connect_bd_intf_net [port axi_dma_0/M_AXI_S2MM] [port memory/S01_AXI]
connect_bd_intf_net [port memory/M00_AXI] [port $system/[dict get $ps memory]]
connect_bd_intf_net [port axi_dma_0/M_AXIS_MM2S] [port accelerator_0/$input]
connect_bd_intf_net [port accelerator_0/$output] [port axi_dma_0/S_AXIS_S2MM]

# ---- clock and reset
set clocked {reset_0/slowest_sync_clk control/aclk memory/aclk axi_dma_0/s_axi_lite_aclk axi_dma_0/m_axi_mm2s_aclk axi_dma_0/m_axi_s2mm_aclk}
lappend clocked accelerator_0/[dict get $settings clock_pin]
foreach name [dict get $ps clocked] { lappend clocked $system/$name }
foreach name $clocked { connect_bd_net [pin $system/[dict get $ps clock]] [pin $name] }
connect_bd_net [pin $system/[dict get $ps reset]] [pin reset_0/ext_reset_in]
foreach name [list control/aresetn memory/aresetn axi_dma_0/axi_resetn accelerator_0/[dict get $settings reset_pin]] {
  connect_bd_net [pin reset_0/peripheral_aresetn] [pin $name]
}

# ---- addresses: the DMA's registers where the manifest says, memory wherever it is
assign_bd_address -offset [dict get $settings address] -range [dict get $settings size] \
  -target_address_space [get_bd_addr_spaces $system/Data] [get_bd_addr_segs axi_dma_0/S_AXI_LITE/Reg]
assign_bd_address
validate_bd_design
save_bd_design

set files [get_files shell.bd]
add_files -norecurse [make_wrapper -files $files -top]
set_property top shell_wrapper [current_fileset]
update_compile_order -fileset sources_1
close_project
exit
