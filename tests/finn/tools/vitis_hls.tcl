# Stubs of the commands of Vitis HLS that FINN's scripts and ours call: tclsh vitis_hls.tcl SCRIPT. An unknown command or option
# is an error, as in the tool; instead of synthesis the folders are made in which FINN looks for the IP.
proc check {condition text} { if {![uplevel 1 [list expr $condition]]} { puts stderr "ERROR: stub of vitis_hls: $text"; exit 1 } }
proc options {known arguments} {
  set found {}
  for {set i 0} {$i < [llength $arguments]} {incr i} {
    set option [lindex $arguments $i]
    check {[dict exists $known $option]} "no option $option"
    dict set found $option [expr {[dict get $known $option] ? [lindex $arguments [incr i]] : 1}]
  }
  return $found
}
proc open_project {name} { set ::project $name }
proc add_files {file args} {
  options {-cflags 1} $args
  check {[file exists $file]} "no file $file"
  set ::source [read [open $file]]
  foreach {_ header} [regexp -all -inline {#include "([^"]+)"} $::source] {
    if {[file exists [file dirname $file]/$header]} { append ::source [read [open [file dirname $file]/$header]] }
  }
}
proc set_top {name} { check {[string first "void $name\(" $::source] >= 0} "no function $name"; set ::top $name }
proc open_solution {name} { set ::solution $name }
proc set_part {part} { check {[string match xc* $part]} "no part $part" }
proc set_param {name value} { check {$name eq "hls.enable_hidden_option_error"} "no parameter $name" }
proc config_compile {args} { options {-disable_unroll_code_size_check 0 -pipeline_style 1} $args }
proc config_interface {args} { options {-m_axi_addr64 0} $args }
proc config_rtl {args} { options {-module_auto_prefix 0 -deadlock_detection 1} $args }
proc create_clock {args} { check {[dict get [options {-period 1 -name 1} $args] -period] > 0} "no period" }
proc csynth_design {} { set ::done $::top }
proc export_design {args} {
  options {-format 1} $args
  check {$::done eq $::top} "nothing was synthesised"
  file mkdir $::project/$::solution/impl/ip $::project/$::solution/impl/verilog
  close [open $::project/$::solution/impl/verilog/$::top.v w]
}
source [lindex $argv 0]
