"""How each operator is written in SystemVerilog; a new file here is found by its ``@emits`` decorator."""
