"""SystemVerilog of a network: blocks of ``rtl/`` instantiated with what formats and foldings give."""
