# The accelerator from C++: Vitis HLS writes the IP block work/ip.
# Before 2025.1: vitis_hls -f accelerator_hls.tcl; since then: vitis-run --mode hls --tcl accelerator_hls.tcl
set here [expr {[info script] eq "" ? [pwd] : [file dirname [file normalize [info script]]]}] ;# launchers differ in what they tell
source [file join $here hls_project.tcl]

hls_project hls
lassign [split [dict get $settings vlnv] :] vendor library ip version
config_export -vendor $vendor -library $library -ipname $ip -version $version
csynth_design
export_design -format ip_catalog -rtl verilog
close_project

file delete -force ip
file copy hls/solution/impl/ip ip
exit
