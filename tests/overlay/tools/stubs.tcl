# Recording stubs of the commands of Vivado and Vitis HLS: tclsh stubs.tcl TOOL SCRIPT. An unknown command, option, property, pin
# or interface is an error, as in the tool. What is done is appended to the file that STUB_LOG names.
lassign $argv tool script
set stubs [file dirname [file normalize [info script]]]
source $stubs/blocks.tcl
proc record {args} { set log [open $::env(STUB_LOG) a]; puts $log $args; close $log }
proc fail {text} { error "ERROR: stub of $::tool: $text" }
proc setting {name otherwise} { if {[info exists ::env($name)]} { return $::env($name) }; return $otherwise }

# Options of a call: `known` maps each to 1 if it takes a value. Returns {dictionary of options} {positional arguments}.
proc parsed {known arguments} {
  set command [lindex [info level -1] 0]
  set options {}; set positional {}
  for {set i 0} {$i < [llength $arguments]} {incr i} {
    set argument [lindex $arguments $i]
    if {[string match {-[a-z]*} $argument]} {
      if {![dict exists $known $argument]} { fail "$command has no option $argument" }
      dict set options $argument [expr {[dict get $known $argument] ? [lindex $arguments [incr i]] : 1}]
    } else { lappend positional $argument }
  }
  return [list $options $positional]
}
proc touch {path {text ""}} { file mkdir [file dirname $path]; set f [open $path w]; puts $f $text; close $f }
proc need {condition text} { if {![uplevel 1 [list expr $condition]]} { fail $text } }

if {$tool eq "vitis_hls"} {
  proc open_project {args} {
    lassign [parsed {-reset 0} $args] options name
    need {[dict exists $options -reset] || [file isdirectory $name]} "no project $name"
    if {[dict exists $options -reset]} { file delete -force $name }
    set ::project $name
    file mkdir $name
  }
  proc set_top {name} { record top $name }
  proc add_files {args} {
    lassign [parsed {-cflags 1 -tb 0} $args] options files
    set flags [expr {[dict exists $options -cflags] ? [dict get $options -cflags] : {}}]
    need {[llength $files] == 1} "add_files takes one list of files"
    foreach f [lindex $files 0] { need {[file exists $f]} "no file $f" }
    record [expr {[dict exists $options -tb] ? {bench} : {source}}] [lmap f [lindex $files 0] {file tail $f}] $flags
    need {![regexp {\s-I} $flags]} "a folder in -cflags cannot have blanks"
  }
  proc open_solution {args} { lassign [parsed {-reset 0 -flow_target 1} $args] _ name; set ::solution $name }
  proc set_part {part} { record part $part }
  proc create_clock {args} { lassign [parsed {-period 1 -name 1} $args] options; record period [dict get $options -period] }
  proc config_export {args} {
    lassign [parsed {-vendor 1 -library 1 -ipname 1 -version 1 -display_name 1 -description 1 -format 1 -rtl 1} $args] options
    record export {*}[lmap key {-vendor -library -ipname -version} {dict get $options $key}]
  }
  proc csynth_design {} {
    if {[setting STUB_FAIL ""] eq "csynth"} { puts "ERROR: \[HLS 200-70\] Pre-synthesis failed."; error "csynth_design failed" }
    set ::synthesised 1
  }
  proc export_design {args} {
    parsed {-format 1 -rtl 1 -output 1} $args
    need {$::synthesised} "nothing was synthesised"
    touch $::project/$::solution/impl/ip/component.xml
  }
  proc csim_design {args} { parsed {-clean 0 -O 0} $args; record csim $::project }
  proc cosim_design {args} {
    lassign [parsed {-rtl 1 -tool 1} $args] options
    need {[file exists $::project/$::solution/impl/ip/component.xml]} "nothing was synthesised"
    record cosim $::project [dict get $options -rtl]
  }
  proc close_project {} {}
} else {
  # ---- projects
  proc create_project {args} {
    lassign [parsed {-force 0 -part 1} $args] options positional
    lassign $positional name folder
    record project $name [dict get $options -part]
    file delete -force $folder
    touch $folder/$name.xpr
    touch $folder/runs.txt "synth_1 {Not started} impl_1 {Not started}"
    set ::folder $folder
  }
  proc open_project {file} { need {[file exists $file]} "no project $file"; set ::folder [file dirname $file] }
  proc close_project {} {}
  proc current_project {} { return project: }
  proc current_fileset {} { return fileset: }
  proc get_files {pattern} { return file:$pattern }
  proc synth_design {args} {
    lassign [parsed {-top 1 -part 1 -mode 1 -flatten_hierarchy 1} $args] options
    need {[dict get $options -mode] eq "out_of_context"} "only blocks are synthesised here"
    need {[lsearch -glob $::sources *clock.xdc] >= 0} "no clock"
    record synthesise [dict get $options -top]
  }
  # A netlist: for every block of two a LUT, a register and a memory, which STUB_BLOCKS names.
  proc get_cells {args} {
    lassign [parsed {-hierarchical 0 -filter 1} $args] options
    need {[dict get $options -filter] eq "IS_PRIMITIVE"} "cells of any kind"
    return [concat [list leaf:alone.LUT1] {*}[lmap block [setting STUB_BLOCKS {}] {
      set cells {}
      foreach {name kind} {a LUT6 b/c LUT2 b/d FDRE e RAMB18E1 f SRL16E} { lappend cells leaf:$block/$name.$kind }
      set cells
    }]]
  }
  proc get_timing_paths {args} {
    lassign [parsed {-setup 0 -max_paths 1 -from 1 -to 1} $args] options
    need {[llength [dict get $options -from]] == 3} "paths between registers and memories"
    return path:[lindex [dict get $options -to] 0]
  }
  proc add_files {args} {
    lassign [parsed {-norecurse 0 -fileset 1} $args] _ positional
    need {[llength $positional] == 1} "add_files takes one list of files"
    foreach f [lindex $positional 0] { need {[file exists $f]} "no file $f"; record file [file tail $f]; lappend ::sources $f }
  }
  proc need_verilog_top {} {
    set top $::values(fileset:,top)
    need {[lsearch -glob $::sources */$top.v] >= 0} "$top is no module in Verilog"
  }
  proc update_compile_order {args} { parsed {-fileset 1} $args }
  proc update_ip_catalog {args} { parsed {-rebuild 0} $args }
  proc version {args} { return 2023.2 }
  proc get_board_parts {args} {
    lassign [parsed {-quiet 0} $args] _ positional
    return [expr {[setting STUB_BOARD_FILES yes] eq "yes" ? [lindex $positional 0] : ""}]
  }
  # ---- properties
  set properties {
    project: {board_part ip_repo_paths target_language} fileset: {top} file: {file_type}
    core: {name version vendor library display_name ipi_drc core_revision}
    run: {STATUS PROGRESS DIRECTORY STATS.WNS STATS.WHS STATS.TPWS}
  }
  proc known {object property} {
    if {[regexp {^cell:(.*)} $object _ cell]} {
      need {[regexp {^CONFIG\.(.*)} $property _ key]} "$property of a cell"
      need {$key in [dict get $::blocks [dict get $::cells $cell] config]} "[dict get $::cells $cell] has no property $property"
      return
    }
    regexp {^[a-z]+:} $object kind
    need {$property in [dict get $::properties $kind]} "$object has no property $property"
  }
  proc set_property {args} {
    lassign [parsed {-dict 1} $args] options positional
    if {[dict exists $options -dict]} { set pairs [dict get $options -dict]; set objects $positional } else {
      set pairs [lrange $positional 0 1]; set objects [lrange $positional 2 end]
    }
    need {[llength $objects]} "set_property without an object"
    foreach object $objects { foreach {key value} $pairs { known $object $key; record set $object $key $value; set ::values($object,$key) $value } }
  }
  proc get_property {property object} {
    if {[string match ipdef:* $object]} { return [string range $object 6 end] }
    if {[regexp {^leaf:(.*)\.(\w+)$} $object _ name kind]} {
      return [dict get [list NAME $name REF_NAME $kind IS_SEQUENTIAL [expr {![string match LUT* $kind]}]] $property]
    }
    if {[string match path:* $object]} { need {$property eq "SLACK"} "$property of a path"; return [setting STUB_SLACK 0.5] }
    known $object $property
    if {[regexp {^run:(.*)} $object _ run]} { return [run_property $run $property] }
    if {[string match *ACT*FREQMHZ $property]} {
      set asked [string map {_ACT_FPGA0 _FPGA0 ACT_FREQMHZ FREQMHZ} $property]
      return [expr {$::values($object,$asked) * [setting STUB_CLOCK 1]}]
    }
    return $::values($object,$property)
  }
  # ---- IP packaging
  namespace eval ipx {
    proc package_project {args} {
      lassign [::parsed {-root_dir 1 -vendor 1 -library 1 -taxonomy 1 -import_files 0 -set_current 1 -force 0 -module 1} $args] options
      ::need_verilog_top
      ::record package [dict get $options -vendor] [dict get $options -library]
      ::touch [dict get $options -root_dir]/component.xml
    }
    proc current_core {} { return core: }
    proc associate_bus_interfaces {args} { lassign [::parsed {-busif 1 -clock 1} $args] options; ::record bus [dict get $options -busif] [dict get $options -clock] }
    proc create_xgui_files {core} {}
    proc update_checksums {core} {}
    proc check_integrity {core} {}
    proc save_core {core} {}
  }
  # ---- block designs
  set sources {}; set cells {}; set joined {}; set driven {}; set assigned {}
  proc create_bd_design {name} { set ::design $name }
  proc get_ipdefs {args} {
    lassign [parsed {-all 0} $args] _ positional
    return [lmap vlnv [lsearch -all -inline [dict keys $::blocks] [lindex $positional 0]] {set _ ipdef:$vlnv}]
  }
  proc create_bd_cell {args} {
    lassign [parsed {-type 1 -vlnv 1} $args] options name
    set vlnv [dict get $options -vlnv]
    need {[dict exists $::blocks $vlnv]} "no block $vlnv"
    if {[string match pyqkit.io:* $vlnv]} {
      set paths [lmap path $::values(project:,ip_repo_paths) {file exists $path/component.xml}]
      need {[lsort -unique $paths] eq "1"} "the IP repository has no block"
    }
    dict set ::cells $name $vlnv
    record cell $name $vlnv
    return cell:$name
  }
  proc get_bd_cells {name} { need {[dict exists $::cells $name]} "no cell $name"; return cell:$name }
  proc apply_bd_automation {args} {
    lassign [parsed {-rule 1 -config 1} $args] options
    need {[dict get $options -rule] in {xilinx.com:bd_rule:processing_system7 xilinx.com:bd_rule:zynq_ultra_ps_e}} "no rule [dict get $options -rule]"
    need {[dict get $options -config apply_board_preset] eq "1"} "the board's preset was not asked for"
  }
  # Interfaces and pins of a kind, as many as the block is configured for; a packaged IP block has the outputs of its sources.
  proc ends_of {cell kind} {
    set vlnv [dict get $::cells $cell]
    set ends [dict get $::blocks $vlnv $kind]
    if {[string match *:smartconnect:* $vlnv] && $kind in {masters slaves}} {
      set count $::values(cell:$cell,CONFIG.NUM_[expr {$kind eq "masters" ? "MI" : "SI"}])
      need {$count <= 16} "$count ports of $vlnv"
      set ends {}
      for {set i 0} {$i < $count} {incr i} { lappend ends [format [expr {$kind eq "masters" ? "M%02d_AXI" : "S%02d_AXI"}] $i] }
    }
    if {[string match *:axi_dma:* $vlnv] && !$::values(cell:$cell,CONFIG.c_include_mm2s)} {
      set ends [lsearch -all -inline -not -nocase $ends *mm2s*]
    }
    if {[string match pyqkit.io:*:network:* $vlnv] && $kind eq "masters"} {
      for {set i 1} {$i < [setting STUB_OUTPUTS 1]} {incr i} { lappend ends [string map [list _0 _$i] [lindex $ends 0]] }
    }
    return $ends
  }
  proc end_of {name kinds} {
    regexp {^([^/]+)/(.+)$} $name _ cell end
    need {[dict exists $::cells $cell]} "no cell $cell"
    foreach kind $kinds { if {$end in [ends_of $cell $kind]} { return $name } }
    fail "[dict get $::cells $cell] has no $end"
  }
  proc get_bd_pins {name} { end_of $name {inputs outputs} }
  proc get_bd_intf_pins {name} {
    if {[regexp {^ila_0/SLOT_(\d)_AXIS$} $name _ slot]} {
      need {[dict exists $::cells ila_0] && $slot < $::values(cell:ila_0,CONFIG.C_NUM_MONITOR_SLOTS)} "no $name"
      need {$::values(cell:ila_0,CONFIG.C_SLOT_${slot}_INTF_TYPE) eq "xilinx.com:interface:axis_rtl:1.0"} "$name is no stream"
      return $name
    }
    end_of $name {masters slaves}
  }
  proc get_bd_intf_nets {args} {
    lassign [parsed {-of_objects 1} $args] options
    need {[dict get $options -of_objects] in $::joined} "no net at [dict get $options -of_objects]"
    return net:[dict get $options -of_objects]
  }
  proc connect_bd_intf_net {args} {
    lassign [parsed {-intf_net 1} $args] options ends
    lassign $ends master slave
    if {[dict exists $options -intf_net]} {
      need {[dict get $options -intf_net] eq "net:$master" && [string match ila_0/SLOT_* $slave]} "$slave watches no net"
      record watch $master $slave
      return
    }
    end_of $master masters; end_of $slave slaves
    foreach end [list $master $slave] { need {$end ni $::joined} "$end is connected twice"; lappend ::joined $end }
    record bus $master $slave
  }
  proc connect_bd_net {from to} {
    end_of $from outputs; end_of $to inputs
    need {$to ni $::driven} "$to is driven twice"
    lappend ::driven $to
    record net $from $to
  }
  proc get_bd_addr_spaces {name} { need {[lindex [split $name /] end] eq "Data"} "no address space $name"; return space:$name }
  proc get_bd_addr_segs {name} {
    need {([regexp {^(axi_dma_\d+)/S_AXI_LITE/Reg$} $name _ cell] || [regexp {^(counters_0|accelerator_0)/s_axi/reg0$} $name _ cell]) && [dict exists $::cells $cell]} "no address segment $name"
    return segment:$name
  }
  proc assign_bd_address {args} {
    lassign [parsed {-offset 1 -range 1 -target_address_space 1} $args] options positional
    if {[dict size $options]} { record address [dict get $options -offset] [dict get $options -range] $positional } else { set ::assigned all }
  }
  proc validate_bd_design {} {
    need {$::assigned eq "all"} "memory has no addresses"
    dict for {name vlnv} $::cells {
      foreach end [concat [ends_of $name masters] [ends_of $name slaves]] { need {"$name/$end" in $::joined} "$name/$end is not connected" }
      foreach pin [ends_of $name inputs] {
        need {$pin in [dict get $::blocks $vlnv optional] || "$name/$pin" in $::driven} "$name/$pin is not driven"
      }
    }
  }
  proc save_bd_design {} {}
  proc make_wrapper {args} {
    parsed {-files 1 -top 0} $args
    touch $::folder/project.gen/sources_1/bd/$::design/hdl/${::design}_wrapper.v
    return $::folder/project.gen/sources_1/bd/$::design/hdl/${::design}_wrapper.v
  }
  # ---- runs, which outlive the tool
  proc runs {} { set f [open $::folder/runs.txt]; set text [read $f]; close $f; return [string trim $text] }
  proc set_run {name status} { set all [runs]; dict set all $name $status; touch $::folder/runs.txt $all }
  proc get_runs {name} { need {[dict exists [runs] $name]} "no run $name"; return run:$name }
  proc run_property {name property} {
    switch $property {
      STATUS { return [dict get [runs] $name] }
      DIRECTORY { return $::folder/project.runs/$name }
      STATS.WNS { return [setting STUB_WNS 0.123] } STATS.WHS { return [setting STUB_WHS 0.01] } STATS.TPWS { return 0.0 }
    }
  }
  proc reset_run {name} { record reset $name; set_run $name "Not started" }
  proc launch_runs {args} {
    lassign [parsed {-to_step 1 -jobs 1} $args] options name
    set step [expr {$name eq "synth_1" ? "synth_design" : [dict get $options -to_step]}]
    need {$name eq "synth_1" || [dict get [runs] synth_1] eq "synth_design Complete!"} "nothing was synthesised"
    if {$step eq "write_bitstream"} { need {[string match "route_design Complete*" [dict get [runs] $name]]} "nothing was routed" }
    need {$step eq "write_bitstream" || [dict get [runs] $name] eq "Not started"} "run $name needs to be reset before it is launched"
    record launch $name $step
    set directory [run_property $name DIRECTORY]
    if {[setting STUB_FAIL ""] eq $step} {
      touch $directory/runme.log "INFO: started\nERROR: \[Place 30-640\] Place Check : this design requires more Slice LUTs than are available"
      set_run $name "$step ERROR"
    } elseif {[setting STUB_FAIL ""] eq "$step hangs"} {
      set_run $name "Running $step..."
      exit 130
    } else {
      set_run $name "$step Complete[expr {[setting STUB_WNS 1] < 0 && $name eq {impl_1} ? {, Failed Timing!} : {!}}]"
      if {$step eq "write_bitstream"} {
        file mkdir $directory $::folder/project.gen/sources_1/bd/shell/hw_handoff
        file copy -force $::env(STUB_BIT) $directory/shell_wrapper.bit
        file copy -force $::env(STUB_HWH) $::folder/project.gen/sources_1/bd/shell/hw_handoff/shell.hwh
      }
    }
  }
  proc wait_on_run {name} {}
  proc open_run {name} { need {[string match "*_design Complete*" [dict get [runs] $name]] || [string match "write_bit*" [dict get [runs] $name]]} "no design to open" }
  proc close_design {} {}
  proc report_timing_summary {args} { lassign [parsed {-file 1} $args] o; touch [dict get $o -file] timing }
  proc report_utilization {args} {
    lassign [parsed {-file 1} $args] options
    set f [open $::stubs/utilisation.rpt]; touch [dict get $options -file] [read $f]; close $f
  }
}
source $script
