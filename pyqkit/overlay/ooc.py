"""Every block of the SystemVerilog beside the others, for one synthesis of all of them out of context.

Each has ports of its own, so that nothing of it is removed, and no path leads from one to another. They are
the circuits that `pyqkit report --timing` gives to Yosys.
"""

from __future__ import annotations

from pyqkit.rtl.circuits import BlockCircuit, circuits_of
from pyqkit.rtl.emitter import Fifo, Stream
from pyqkit.rtl.generate import Design

TOP = "pqk_blocks"
_ENDS = {"from_axis", "to_axis"}  # wires and a counter; their ports are those of the accelerator


def text(design: Design) -> str:
    """SystemVerilog of all blocks and of the module `TOP` that holds an instance of each, called after it."""
    found = [c for c in circuits_of(design) if not _ENDS & {part.module for part in c.parts}]
    modules = "".join(c.circuit.text for c in found if not isinstance(c.block, Fifo))
    ports = ["input wire clock", "input wire reset"]
    instances = ""
    for circuit in found:
        ports += _ports(circuit)
        instances += _instance(circuit)
    return (
        "// Every block of the network alone, written by pyqkit.\n"
        f"`default_nettype none\n{modules}module {TOP} (\n    {f',{chr(10)}    '.join(ports)}\n);\n"
        f"{instances}endmodule\n`default_nettype wire\n"
    )


def _streams(circuit: BlockCircuit) -> list[tuple[str, Stream, bool]]:
    """Names of a block's streams at its module, and whether it takes them."""
    block = circuit.block
    if isinstance(block, Fifo):
        return [("in", block.inputs[0], True), ("out", block.outputs[0], False)]
    taken = [(stream.name, stream, True) for stream in block.inputs]
    return taken + [(stream.name, stream, False) for stream in block.outputs]


def _ports(circuit: BlockCircuit) -> list[str]:
    ports = []
    for name, stream, taken in _streams(circuit):
        given, answered = ("input", "output") if taken else ("output", "input")
        prefix = f"{circuit.block.name}_{name}"
        ports.append(f"{given} wire {prefix}_valid")
        ports.append(f"{answered} wire {prefix}_ready")
        ports.append(f"{given} wire [{stream.width - 1}:0] {prefix}_data")
    return ports


def _instance(circuit: BlockCircuit) -> str:
    connections = [".clock(clock)", ".reset(reset)"]
    module = circuit.circuit.name
    if isinstance(circuit.block, Fifo):
        (part,) = circuit.parts
        counts = ", ".join(f".{name}({value})" for name, value in part.parameters.items())
        module = f"pqk_fifo #({counts})"
        connections.append(".stall(1'b0)")
    for name, _, _ in _streams(circuit):
        connections += [
            f".{name}_{wire}({circuit.block.name}_{name}_{wire})" for wire in ("valid", "ready", "data")
        ]
    joined = ",\n".join(f"      {connection}" for connection in connections)
    return f"  {module} {circuit.block.name} (\n{joined}\n  );\n"
