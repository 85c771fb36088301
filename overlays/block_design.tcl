# The block design: processing system, the accelerator between AXI DMAs in direct mode, one clock, one reset.
# The first DMA sends the input and receives the first output; each of the others receives one more.
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
set counters [dict get $settings counters] ;# empty without them
set repositories [list [file normalize ip]]
if {[dict size $counters]} { lappend repositories [file normalize ip_counters] }
set_property ip_repo_paths $repositories [current_project] ;# a list, whatever blanks the path has
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
set dmas [dict get $settings dmas]
dict for {name dma} $dmas {
  set_property -dict [dict get $dma parameters] [create_bd_cell -type ip -vlnv [dict get $settings dma_vlnv] $name]
}
create_bd_cell -type ip -vlnv [dict get $settings vlnv] accelerator_0
set control [create_bd_cell -type ip -vlnv [newest xilinx.com:ip:smartconnect] control]
set own [dict get $settings control] ;# registers of the accelerator itself; empty without
set controlled [expr {[dict size $dmas] + ([dict size $counters] > 0) + ([dict size $own] > 0)}]
set_property -dict [list CONFIG.NUM_SI 1 CONFIG.NUM_MI $controlled] $control
set memory [create_bd_cell -type ip -vlnv [newest xilinx.com:ip:smartconnect] memory]
set_property -dict [list CONFIG.NUM_SI [expr {1 + [dict size $dmas]}] CONFIG.NUM_MI 1] $memory

# ---- buses
connect_bd_intf_net [port $system/[dict get $ps control]] [port control/S00_AXI]
connect_bd_intf_net [port memory/M00_AXI] [port $system/[dict get $ps memory]]
connect_bd_intf_net [port axi_dma_0/M_AXI_MM2S] [port memory/S00_AXI]
if {[dict size $own]} {
  connect_bd_intf_net [port control/[format M%02d_AXI [expr {$controlled - 1}]]] [port accelerator_0/[dict get $own interface]]
}
# The input, and what the first output leads to: through the counters, if there are any.
set first axi_dma_0/S_AXIS_S2MM
if {[dict size $counters]} {
  set_property -dict [dict get $counters parameters] [create_bd_cell -type ip -vlnv [dict get $counters vlnv] counters_0]
  connect_bd_intf_net [port control/[format M%02d_AXI [dict size $dmas]]] [port counters_0/s_axi]
  connect_bd_intf_net [port axi_dma_0/M_AXIS_MM2S] [port counters_0/s_in]
  connect_bd_intf_net [port counters_0/m_in] [port accelerator_0/[dict get $settings input]]
  connect_bd_intf_net [port counters_0/m_out] [port $first]
  set first counters_0/s_out
} else {
  connect_bd_intf_net [port axi_dma_0/M_AXIS_MM2S] [port accelerator_0/[dict get $settings input]]
}
set index 0
foreach name [dict keys $dmas] output [dict get $settings outputs] {
  connect_bd_intf_net [port control/[format M%02d_AXI $index]] [port $name/S_AXI_LITE]
  connect_bd_intf_net [port $name/M_AXI_S2MM] [port memory/[format S%02d_AXI [incr index]]]
  set taker [expr {$name eq "axi_dma_0" ? $first : "$name/S_AXIS_S2MM"}]
  connect_bd_intf_net [port accelerator_0/$output] [port $taker]
}

# ---- a logic analyser on the streams of the accelerator, where it was asked for: make ILA=1
set watched [list [dict get $settings input] {*}[dict get $settings outputs]]
set analysed [expr {[info exists ::env(ILA)] && $::env(ILA) ne ""}]
if {$analysed} {
  set ila [create_bd_cell -type ip -vlnv [newest xilinx.com:ip:system_ila] ila_0]
  set_property -dict [list CONFIG.C_MON_TYPE INTERFACE CONFIG.C_NUM_MONITOR_SLOTS [llength $watched]] $ila
  set slot 0
  foreach stream $watched {
    set_property CONFIG.C_SLOT_${slot}_INTF_TYPE xilinx.com:interface:axis_rtl:1.0 $ila
    set pin [port accelerator_0/$stream]
    connect_bd_intf_net -intf_net [get_bd_intf_nets -of_objects $pin] $pin [port ila_0/SLOT_${slot}_AXIS]
    incr slot
  }
}

# ---- clock and reset
set clocked {reset_0/slowest_sync_clk control/aclk memory/aclk axi_dma_0/m_axi_mm2s_aclk}
set resets {control/aresetn memory/aresetn}
foreach name [dict keys $dmas] {
  lappend clocked $name/s_axi_lite_aclk $name/m_axi_s2mm_aclk
  lappend resets $name/axi_resetn
}
lappend clocked accelerator_0/[dict get $settings clock_pin]
lappend resets accelerator_0/[dict get $settings reset_pin]
if {$analysed} {
  lappend clocked ila_0/clk
  lappend resets ila_0/resetn
}
if {[dict size $counters]} {
  lappend clocked counters_0/aclk
  lappend resets counters_0/aresetn
}
foreach name [dict get $ps clocked] { lappend clocked $system/$name }
foreach name $clocked { connect_bd_net [pin $system/[dict get $ps clock]] [pin $name] }
connect_bd_net [pin $system/[dict get $ps reset]] [pin reset_0/ext_reset_in]
foreach name $resets { connect_bd_net [pin reset_0/peripheral_aresetn] [pin $name] }

# ---- addresses: registers of the DMAs where the manifest says, memory wherever it is
dict for {name dma} $dmas {
  assign_bd_address -offset [dict get $dma address] -range [dict get $dma size] \
    -target_address_space [get_bd_addr_spaces $system/Data] [get_bd_addr_segs $name/S_AXI_LITE/Reg]
}
if {[dict size $counters]} {
  assign_bd_address -offset [dict get $counters address] -range [dict get $counters size] \
    -target_address_space [get_bd_addr_spaces $system/Data] [get_bd_addr_segs counters_0/s_axi/reg0]
}
if {[dict size $own]} {
  assign_bd_address -offset [dict get $own address] -range [dict get $own size] \
    -target_address_space [get_bd_addr_spaces $system/Data] [get_bd_addr_segs accelerator_0/[dict get $own interface]/reg0]
}
assign_bd_address
validate_bd_design
save_bd_design

set files [get_files shell.bd]
add_files -norecurse [list [make_wrapper -files $files -top]]
set_property top shell_wrapper [current_fileset]
update_compile_order -fileset sources_1
close_project
exit
