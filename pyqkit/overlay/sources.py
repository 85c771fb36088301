"""Sources of a project that AMD's tools alone need: the Verilog around the SystemVerilog."""

from __future__ import annotations

from collections.abc import Sequence

from pyqkit.formats.port import End


def verilog_top(name: str, accelerator: str, inputs: Sequence[End], outputs: Sequence[End]) -> str:
    """The module that is packaged: the accelerator with its ports in plain Verilog.

    Vivado's packager and its block designs take no SystemVerilog at the top.
    """
    buses = [f"s_axis_{i}" for i in range(len(inputs))] + [f"m_axis_{i}" for i in range(len(outputs))]
    clock = f"ASSOCIATED_BUSIF {':'.join(buses)}, ASSOCIATED_RESET aresetn"
    ports = [
        _attributes("clock:1.0 aclk CLK", clock) + "    input wire aclk",
        _attributes("reset:1.0 aresetn RST", "POLARITY ACTIVE_LOW") + "    input wire aresetn",
    ]
    wires = ["aclk", "aresetn"]
    for bus, end in zip(buses, [*inputs, *outputs], strict=True):
        given, taken = ("input", "output") if bus.startswith("s") else ("output", "input")
        data = f"[{8 * end.beat_bytes - 1}:0] "
        wires += [f"{bus}_t{wire}" for wire in ("valid", "ready", "data", "last")]
        ports += [
            f"    {given} wire {bus}_tvalid",
            f"    {taken} wire {bus}_tready",
            f"    {given} wire {data}{bus}_tdata",
            f"    {given} wire {bus}_tlast",
        ]
    connections = ",\n".join(f"      .{wire}({wire})" for wire in wires)
    return (
        "// The accelerator in plain Verilog, as Vivado packages it; written by pyqkit.\n"
        f"`default_nettype none\nmodule {name} (\n{f',{chr(10)}'.join(ports)}\n);\n"
        f"  {accelerator} accelerator (\n{connections}\n  );\nendmodule\n`default_nettype wire\n"
    )


def _attributes(signal: str, parameters: str) -> str:
    """What tells the packager which interface a port belongs to."""
    info = f'X_INTERFACE_INFO = "xilinx.com:signal:{signal}"'
    return f'    (* {info}, X_INTERFACE_PARAMETER = "{parameters}" *)\n'
