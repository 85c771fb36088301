# The accelerator from C++: Vitis HLS writes the IP block work/ip.
# Before 2025.1: vitis_hls -f accelerator_hls.tcl; since then: vitis-run --mode hls --tcl accelerator_hls.tcl
set here [expr {[info script] eq "" ? [pwd] : [file dirname [file normalize [info script]]]}] ;# launchers differ in what they tell
source $here/settings.tcl
cd $here/work

open_project -reset hls
set_top [dict get $settings top]
add_files [list [file join $here hls top.cpp]] -cflags "-std=c++14" ;# all headers stand beside it: no path that may have blanks
open_solution -reset -flow_target vivado solution
set_part [dict get $settings part]
create_clock -period [expr {1000.0 / [dict get $settings clock_mhz]}] -name default
lassign [split [dict get $settings vlnv] :] vendor library ip version
config_export -vendor $vendor -library $library -ipname $ip -version $version
csynth_design
export_design -format ip_catalog -rtl verilog
close_project

file delete -force ip
file copy hls/solution/impl/ip ip
exit
