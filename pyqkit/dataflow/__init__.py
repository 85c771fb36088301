"""What the C++ and the SystemVerilog of a network share: streams and their ends, orders of use, backlog."""
