"""SystemVerilog of a network: blocks of ``rtl/`` instantiated with the parameters that formats and folding give."""
