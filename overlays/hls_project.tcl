# A project of Vitis HLS: the network, its part and clock, and the golden vectors as test bench.
source [file join $here settings.tcl]
file mkdir [file join $here work]
cd [file join $here work]

proc hls_project {name} {
  global here settings
  open_project -reset $name
  set_top [dict get $settings top]
  # All headers stand beside the sources: no option names a folder, whose path may have blanks.
  add_files [list [file join $here hls top.cpp]] -cflags "-std=c++14"
  add_files -tb [list [file join $here hls test_bench.cpp]] -cflags "-std=c++14"
  add_files -tb [glob -directory [file join $here golden] *.hex]
  open_solution -reset -flow_target vivado solution
  set_part [dict get $settings part]
  create_clock -period [expr {1000.0 / [dict get $settings clock_mhz]}] -name default
}
