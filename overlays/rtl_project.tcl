# A project of Vivado with the SystemVerilog of the network.
source [file join $here settings.tcl]
file mkdir [file join $here work]
cd [file join $here work]

proc rtl_project {name top sources} {
  global here settings
  create_project -force $name $name -part [dict get $settings part]
  add_files -norecurse $sources
  # Tables are opened by their name alone; files that belong to the project are found by it.
  set tables [glob -nocomplain -directory [file join $here rtl] *.hex]
  if {[llength $tables]} {
    add_files -norecurse $tables
    set_property file_type {Memory Initialization Files} [get_files *.hex]
  }
  set_property top $top [current_fileset]
  update_compile_order -fileset sources_1
}
