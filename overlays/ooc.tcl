# Every block of the network, synthesised beside the others and out of context: what cells it takes, and the slack of its worst path,
# as work/ooc.json. `pyqkit report BUILD --vivado work/ooc.json` shows that beside the estimates.
set here [file dirname [file normalize [info script]]]
source [file join $here rtl_project.tcl]

set top pqk_blocks
rtl_project ooc $top [list {*}[glob -directory [file join $here rtl] *.sv] {*}[glob -directory [file join $here ooc] *.sv]]
add_files -fileset constrs_1 -norecurse [list [file join $here ooc clock.xdc]]
synth_design -top $top -part [dict get $settings part] -mode out_of_context -flatten_hierarchy none

# Cells by block and kind, and the registers and memories in which paths of a block end.
set blocks {}
foreach cell [get_cells -hierarchical -filter {IS_PRIMITIVE}] {
  if {![regexp {^([a-z0-9_]+)/} [get_property NAME $cell] _ block]} { continue }
  set kind [get_property REF_NAME $cell]
  if {![dict exists $blocks $block]} { dict set blocks $block {} }
  dict set blocks $block $kind [expr {[dict exists $blocks $block $kind] ? [dict get $blocks $block $kind] + 1 : 1}]
  if {[get_property IS_SEQUENTIAL $cell]} { lappend ends($block) $cell }
}

set rows {}
dict for {block kinds} $blocks {
  set slack null
  if {[info exists ends($block)]} {
    set path [get_timing_paths -setup -max_paths 1 -from $ends($block) -to $ends($block)]
    if {[llength $path] && [string is double -strict [get_property SLACK $path]]} { set slack [get_property SLACK $path] }
  }
  set counted [lmap {kind count} $kinds {set _ "\"$kind\": $count"}]
  lappend rows "  {\"name\": \"$block\", \"slack_ns\": $slack, \"cells\": {[join $counted {, }]}}"
}
set file [open ooc.json w]
puts $file "{\"schema\": 1, \"tool\": \"Vivado [version -short]\", \"part\": \"[dict get $settings part]\","
puts $file " \"clock_mhz\": [dict get $settings clock_mhz], \"blocks\": \[\n[join $rows ",\n"]\n ]}"
close $file
close_project
exit
