# Cycle and stall counters between the DMA and the accelerator: Vivado packs them as the IP block work/ip_counters.
set here [file dirname [file normalize [info script]]]
source [file join $here settings.tcl]
file mkdir [file join $here work]
cd [file join $here work]
lassign [split [dict get $settings counters vlnv] :] vendor library ip version

file delete -force ip_counters
create_project -force counters counters -part [dict get $settings part]
add_files -norecurse [list [file join $here pqk_counters.v]]
set_property top pqk_counters [current_fileset]
update_compile_order -fileset sources_1
ipx::package_project -root_dir ip_counters -vendor $vendor -library $library -taxonomy /UserIP -import_files -set_current true -force
set core [ipx::current_core]
set_property name $ip $core
set_property version $version $core
set_property ipi_drc {ignore_freq_hz true} $core ;# the clock is the block design's
foreach bus {s_axi s_in m_in s_out m_out} { ipx::associate_bus_interfaces -busif $bus -clock aclk $core }
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
exit
