# The accelerator from SystemVerilog: Vivado packs it as the IP block work/ip.
set here [file dirname [file normalize [info script]]]
source [file join $here rtl_project.tcl]
lassign [split [dict get $settings vlnv] :] vendor library ip version

file delete -force ip
# The top is Verilog, as the packager and block designs want it.
rtl_project rtl [dict get $settings top] [glob -directory [file join $here rtl] *.sv *.v]
ipx::package_project -root_dir ip -vendor $vendor -library $library -taxonomy /UserIP -import_files -set_current true -force

set core [ipx::current_core]
set_property name $ip $core
set_property version $version $core
set_property ipi_drc {ignore_freq_hz true} $core ;# the clock is the block design's
set buses [list [dict get $settings input] {*}[dict get $settings outputs]]
if {[dict size [dict get $settings control]]} { lappend buses [dict get $settings control interface] }
foreach bus $buses {
  ipx::associate_bus_interfaces -busif $bus -clock [dict get $settings clock_pin] $core
}
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
exit
