# The Verilog that Vitis HLS made of the C++, simulated with the golden vectors.
set here [expr {[info script] eq "" ? [pwd] : [file dirname [file normalize [info script]]]}]
source [file join $here settings.tcl]
cd [file join $here work]

open_project hls
open_solution solution
cosim_design -rtl verilog
close_project
exit
