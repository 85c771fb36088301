# Synthesis, place and route, the timing check, and only then the bitstream. Runs that ended well are not repeated.
set here [file dirname [file normalize [info script]]]
source $here/settings.tcl
cd $here/work

# Whether a run ended with a step; with negative slack too, which the status then mentions.
proc ended {name last} { return [string match "$last Complete*" [get_property STATUS [get_runs $name]]] }

# Bring a run to its end. Vivado keeps what went wrong in the log of the run; show it.
proc finish {name last args} {
  if {[ended $name $last]} { return }
  if {$last ne "write_bitstream" && [get_property STATUS [get_runs $name]] ne "Not started"} { reset_run $name }
  launch_runs $name {*}$args -jobs $::env(JOBS)
  wait_on_run $name
  if {[ended $name $last]} { return }
  set log [get_property DIRECTORY [get_runs $name]]/runme.log
  if {[file exists $log]} {
    set file [open $log]
    foreach line [split [read $file] \n] {
      if {[string match "ERROR*" $line]} { puts $line }
    }
    close $file
  }
  error "ERROR: $name was expected to end, but it is at '[get_property STATUS [get_runs $name]]'; the errors above are from $log"
}

open_project project/project.xpr
finish synth_1 synth_design
if {![ended impl_1 write_bitstream]} { finish impl_1 route_design -to_step route_design }

open_run impl_1
report_timing_summary -file timing.rpt
report_utilization -file utilisation.rpt
set run [get_runs impl_1]
set setup [get_property STATS.WNS $run]
set hold [get_property STATS.WHS $run]
set pulse [get_property STATS.TPWS $run]
foreach {what slack} [list setup $setup hold $hold "pulse width" $pulse] {
  if {![string is double -strict $slack]} {
    error "ERROR: the slack of $what was expected from the implementation, but it is '$slack'; read work/timing.rpt"
  }
  if {$slack < 0} {
    error "ERROR: timing was expected to close at [dict get $settings clock_mhz] MHz, but the slack of $what is $slack ns (see work/timing.rpt); compile with a lower --clock-mhz or less parallelism"
  }
}
close_design
finish impl_1 write_bitstream -to_step write_bitstream

set bits [glob -directory [get_property DIRECTORY [get_runs impl_1]] *.bit]
set handoffs [glob project/project.{gen,srcs}/sources_1/bd/shell/hw_handoff/shell.hwh]
file copy -force [lindex $bits 0] design.bit
file copy -force [lindex $handoffs 0] design.hwh
set file [open results.json w]
puts $file "{\"tool\": \"Vivado [version -short]\", \"wns_ns\": $setup, \"whs_ns\": $hold}"
close $file
close_project
exit
