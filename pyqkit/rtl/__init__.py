"""SystemVerilog of a network.

Blocks of ``rtl/`` instantiated with the parameters that formats and folding give.
"""
