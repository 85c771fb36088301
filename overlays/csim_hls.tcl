# The C++ as Vitis HLS reads it, compiled and run with the golden vectors.
set here [expr {[info script] eq "" ? [pwd] : [file dirname [file normalize [info script]]]}]
source [file join $here hls_project.tcl]

hls_project csim
csim_design
close_project
exit
