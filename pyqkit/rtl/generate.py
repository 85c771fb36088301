"""The whole network in SystemVerilog, instantiated from the blocks in ``rtl/``.

The network has clock, reset and AXI4-Streams, and lets a test bench look at its FIFOs and stall them; the
accelerator is the same without what only tests need. Constants stand in hexadecimal files beside, found
relative to where tools are started. All of them are called after the network, so that several networks fit
into one design.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pyqkit.dataflow.streams import FIFO_WORDS
from pyqkit.files import packaged
from pyqkit.formats.port import End
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph
from pyqkit.names import Identifiers, identifier
from pyqkit.rtl import schedule
from pyqkit.rtl.emitter import PREFIX, Block, Emitter, Fifo, Stream, instance, rule_for
from pyqkit.rtl.parts import Parameters
from pyqkit.rtl.pipelining import TARGET_MHZ

_LONGEST_NAME = 24  # letters of a network's name in names of files, which end at 255
# Ports of the network, and what write_valid, read_ready, ... begin with.
_OWN = ("clock", "reset", "stall", "write", "read")


@dataclass(frozen=True)
class Design:
    """Generated SystemVerilog, what is needed to drive it, and what it does in time.

    Attributes
    ----------
    network, accelerator : str
        Names of the module that lets a test bench look at the FIFOs, and of the top module.
    files : dict of str to str
        Both modules and the tables, by file name.
    inputs, outputs : list of End
    fifos : dict of (tensor, reader) to int
        Words of each FIFO, in the order of the bits of the ports that look at them.
    blocks : list of Block
    """

    network: str
    accelerator: str
    files: dict[str, str]
    inputs: list[End]
    outputs: list[End]
    fifos: dict[tuple[str, str], int]
    blocks: list[Block]

    @property
    def text(self) -> str:
        """SystemVerilog of `network`."""
        return self.files[f"{self.network}.sv"]

    @property
    def interval(self) -> int:
        """Cycles between frames (estimated): those of the slowest block."""
        return schedule.interval(self.blocks)

    @property
    def latency(self) -> int:
        """Cycles from the first beat of a frame to the last beat of its results (estimated)."""
        return schedule.latency(self.blocks, self.inputs, self.outputs)

    @property
    def paces(self) -> list[int]:
        """For each output the cycles between frames (estimated).

        Those of the slowest block that it depends on.
        """
        return [schedule.pace(self.blocks, f"out_{i}") for i in range(len(self.outputs))]

    def turns(self) -> dict[str, int]:
        """Cycles of all passes of a frame, by the operator where it enters what it passes again."""
        return schedule.turns(self.blocks)

    def cycles(self) -> dict[str, int]:
        """Cycles a frame of every operator and every end: its slowest block."""
        found: dict[str, int] = {}
        for block in self.blocks:
            if block.timing is not None:
                found[block.owner] = max(found.get(block.owner, 0), block.timing.cycles * block.passes)
        return found


def library() -> Path:
    """Folder of the SystemVerilog blocks."""
    return packaged("rtl_library", "rtl")


def generate(
    graph: Graph,
    folding: dict[str, Folding] | None = None,
    depths: dict[tuple[str, str], int] | None = None,
    clock_mhz: float = TARGET_MHZ,
) -> Design:
    """Write a graph as SystemVerilog.

    Parameters
    ----------
    graph : Graph
    folding : dict of str to Folding
        By operator; an operator that is missing does one product a cycle.
    depths : dict of (tensor, operator) to int, optional
        Words of the FIFO between a tensor and the operator that reads it, instead of the derived ones.
    clock_mhz : float
        That blocks are pipelined for.
    """
    ends = [f"in_{i}" for i in range(len(graph.inputs))] + [f"out_{i}" for i in range(len(graph.outputs))]
    prefix = f"{PREFIX}{identifier(graph.name, _LONGEST_NAME)}_"
    names = Identifiers([*_OWN, *ends])
    e = Emitter(graph, folding or {}, depths or {}, names, prefix=prefix, clock_mhz=clock_mhz)
    inputs, outputs = e.emit(rule_for)
    needed = schedule.words_needed(e.blocks, inputs)
    fifos = {
        b.edge: b.words if b.words is not None else max(needed[b.edge], FIFO_WORDS)
        for b in e.blocks
        if isinstance(b, Fifo)
    }
    network, accelerator = f"{prefix}network", f"{prefix}accelerator"
    files = {
        f"{network}.sv": _network(network, e, inputs, outputs, fifos),
        f"{accelerator}.sv": _accelerator(accelerator, network, inputs, outputs, len(fifos)),
    }
    return Design(network, accelerator, files | e.tables, inputs, outputs, fifos, e.blocks)


def _network(
    name: str, e: Emitter, inputs: list[End], outputs: list[End], fifos: dict[tuple[str, str], int]
) -> str:
    blocks, bit = [], 0
    for block in e.blocks:
        if isinstance(block, Fifo):
            block = replace(block, text=_fifo(e, block, fifos[block.edge], bit))
            bit += 1
        blocks.append(block)
    return network_text(name, inputs, outputs, e.wires, blocks, _checks(e, inputs, outputs))


def _fifo(e: Emitter, block: Fifo, depth: int, bit: int) -> str:
    (source,), (out,) = block.inputs, block.outputs
    connections = {"clock": "clock", "reset": "reset", "stall": f"stall[{bit}]"}
    connections |= source.port("in") | out.port("out")
    parameters: Parameters = {"WIDTH": out.width, "DEPTH": depth}
    return instance("fifo", e.names.new(f"{block.name}_fifo"), parameters, connections)


def network_text(
    name: str,
    inputs: Sequence[End],
    outputs: Sequence[End],
    streams: Sequence[Stream],
    blocks: Sequence[Block],
    checks: str = "",
) -> str:
    """SystemVerilog of a network: its ports, its streams, the texts of its blocks, and what is checked."""
    fifos = [block for block in blocks if isinstance(block, Fifo)]
    ports = _network_ports(inputs, outputs, len(fifos))
    wires = "".join(
        f"  wire {s.name}_valid, {s.name}_ready;\n  wire [{s.width - 1}:0] {s.name}_data;\n" for s in streams
    )
    looks = [
        f"  assign {side}_{wire}[{bit}] = {stream.name}_{wire};\n"
        for bit, fifo in enumerate(fifos)
        for side, (stream,) in (("write", fifo.inputs), ("read", fifo.outputs))
        for wire in ("valid", "ready")
    ]
    return (
        "// The network as a dataflow of blocks, written by pyqkit. For each FIFO there is a bit to "
        "stall it,\n"
        "// and bits that show the handshakes at both its ends.\n"
        f"`default_nettype none\nmodule {name} (\n    {f',{chr(10)}    '.join(ports)}\n);\n{wires}\n"
        f"{chr(10).join(block.text for block in blocks)}\n{''.join(looks)}{checks}"
        "endmodule\n`default_nettype wire\n"
    )


def _network_ports(inputs: Sequence[End], outputs: Sequence[End], fifos: int) -> list[str]:
    ports = ["input wire clock", "input wire reset"]
    for i, end in enumerate(inputs):
        ports += [
            f"input wire in_{i}_tvalid",
            f"output logic in_{i}_tready",
            f"input wire [{8 * end.beat_bytes - 1}:0] in_{i}_tdata",
            f"input wire in_{i}_tlast",
        ]
    for i, end in enumerate(outputs):
        ports += [
            f"output logic out_{i}_tvalid",
            f"input wire out_{i}_tready",
            f"output logic [{8 * end.beat_bytes - 1}:0] out_{i}_tdata",
        ]
        ports.append(f"output logic out_{i}_tlast")
    span = f"[{fifos - 1}:0]"
    ports.append(f"input wire {span} stall")
    return ports + [
        f"output logic {span} {side}_{wire}" for side in ("write", "read") for wire in ("valid", "ready")
    ]


def _checks(e: Emitter, inputs: list[End], outputs: list[End]) -> str:
    """Assertions that every stream keeps what it offers, for simulation alone."""
    streams = [(stream.name, f"{stream.name}_", stream.width) for stream in e.wires]
    for side, ends in (("in", inputs), ("out", outputs)):
        streams += [(f"{side}_{i}", f"{side}_{i}_t", 8 * end.beat_bytes) for i, end in enumerate(ends)]
    return "".join(
        [
            "`ifndef SYNTHESIS\n",
            *(stable(e.names.new(f"{name}_stable"), wire, width) for name, wire, width in streams),
            "`endif\n",
        ]
    )


def stable(name: str, wire: str, width: int) -> str:
    """An assertion that a stream, wires ``<wire>valid``, ``ready`` and ``data``, keeps what it offers."""
    ports = ", ".join(f".{port}({wire}{port})" for port in ("valid", "ready", "data"))
    module = f"{PREFIX}stream_stable #(.WIDTH({width}))"
    return f"  {module} {name} (.clock, .reset, {ports});\n"


def _accelerator(name: str, network: str, inputs: list[End], outputs: list[End], fifos: int) -> str:
    ports, connections = ["input wire aclk", "input wire aresetn"], {"clock": "aclk", "reset": "reset"}
    for i, end in enumerate(inputs):
        ports += [f"input wire s_axis_{i}_tvalid", f"output logic s_axis_{i}_tready"]
        ports += [f"input wire [{8 * end.beat_bytes - 1}:0] s_axis_{i}_tdata", f"input wire s_axis_{i}_tlast"]
        connections |= {f"in_{i}_t{w}": f"s_axis_{i}_t{w}" for w in ("valid", "ready", "data", "last")}
    for i, end in enumerate(outputs):
        ports += [f"output logic m_axis_{i}_tvalid", f"input wire m_axis_{i}_tready"]
        ports += [
            f"output logic [{8 * end.beat_bytes - 1}:0] m_axis_{i}_tdata",
            f"output logic m_axis_{i}_tlast",
        ]
        connections |= {f"out_{i}_t{w}": f"m_axis_{i}_t{w}" for w in ("valid", "ready", "data", "last")}
    looks = [f"{side}_{wire}" for side in ("write", "read") for wire in ("valid", "ready")]
    connections |= {"stall": "'0"} | {look: look for look in looks}
    body = "".join(f"      .{key}({value}),\n" for key, value in connections.items())[:-2]
    return (
        "// The network with AXI4-Stream interfaces, written by pyqkit. A frame whose last beat comes "
        "with TLAST leaves with TLAST.\n"
        f"`default_nettype none\nmodule {name} (\n    {f',{chr(10)}    '.join(ports)}\n);\n"
        "  logic reset;\n  always_ff @(posedge aclk) reset <= !aresetn;\n"
        f"  wire [{fifos - 1}:0] {', '.join(looks)};\n"
        f"  {network} dataflow (\n{body}\n  );\n  wire unused = &{{{', '.join(looks)}}};\nendmodule\n"
        "`default_nettype wire\n"
    )
