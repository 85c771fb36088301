"""Every block of a design as a circuit by itself, for Yosys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyqkit.rtl.emitter import Block, Fifo, Stream, instance
from pyqkit.rtl.features import features
from pyqkit.rtl.generate import Design, library
from pyqkit.rtl.parts import Part
from pyqkit.rtl.synthesis import Circuit


@dataclass(frozen=True)
class BlockCircuit:
    """A block alone.

    Attributes
    ----------
    block : Block
    parts : tuple of Part
        What it is made of.
    circuit : Circuit
        With the tables that it reads, so that others may change.
    ports : dict of str to str
        Ports of the circuit by name, and the wires of the network at them.
    """

    block: Block
    parts: tuple[Part, ...]
    circuit: Circuit
    ports: dict[str, str]

    @property
    def operator(self) -> str:
        """That it belongs to; a FIFO to the one that reads it, as in the report's resources."""
        return self.block.edge[1] if isinstance(self.block, Fifo) else self.block.owner


def sources() -> dict[str, str]:
    """The blocks of ``rtl/`` by file name."""
    return {path.name: path.read_text() for path in sorted(library().glob("*.sv"))}


def circuits_of(design: Design) -> list[BlockCircuit]:
    """Every block of a design, in its order; those whose parts take DSPs may use them."""
    return [
        _fifo(block, design.fifos[block.edge]) if isinstance(block, Fifo) else _other(block, design)
        for block in design.blocks
    ]


def _fifo(block: Fifo, words: int) -> BlockCircuit:
    """FIFOs of one size are one circuit, whatever their streams are called."""
    (source,), (out,) = block.inputs, block.outputs
    given, taken = replace(source, name="in"), replace(out, name="out")
    parameters: dict[str, int | str] = {"WIDTH": out.width, "DEPTH": words}
    connections = {"clock": "clock", "reset": "reset", "stall": "1'b0"} | given.port("in") | taken.port("out")
    text = instance("fifo", "only", parameters, connections)
    ports = [*_ports(given, "in_", True, text), *_ports(taken, "out_", False, text)]
    circuit = Circuit("only_fifo", _module("only_fifo", ports, text))
    return BlockCircuit(block, (Part("fifo", parameters),), circuit, source.port("in") | out.port("out"))


def _other(block: Block, design: Design) -> BlockCircuit:
    name, parts = f"only_{block.name}", {part.module for part in block.parts}
    ports: list[_Port] = []
    for streams, taken, end in ((block.inputs, True, "from_axis"), (block.outputs, False, "to_axis")):
        for place, stream in enumerate(streams):
            prefix = f"{stream.name}_t" if end in parts and place == 0 else f"{stream.name}_"
            ports += _ports(stream, prefix, taken, block.text)
    text = _module(name, ports, block.text)
    tables = {
        file: held for file, held in design.files.items() if file.endswith(".hex") and _reads(text, file)
    }
    circuit = Circuit(name, text, tables, any(map(_takes_dsps, block.parts)))
    return BlockCircuit(block, block.parts, circuit, {port.name: port.name for port in ports})


def _takes_dsps(part: Part) -> bool:
    numbers = {name: value for name, value in part.parameters.items() if isinstance(value, int)}
    return features(part.module, numbers)["DSPs"] > 0


@dataclass(frozen=True)
class _Port:
    name: str
    enters: bool
    width: int = 0  # of a vector

    def __str__(self) -> str:
        span = f"[{self.width - 1}:0] " if self.width else ""
        return f"{'input' if self.enters else 'output'} wire {span}{self.name}"


def _ports(stream: Stream, prefix: str, taken: bool, text: str) -> list[_Port]:
    """Ports of a stream that a block takes, or gives; AXI4-Streams have ``tlast`` where a block names it."""
    found = [
        _Port(f"{prefix}valid", taken),
        _Port(f"{prefix}ready", not taken),
        _Port(f"{prefix}data", taken, stream.width),
    ]
    return found + [_Port(f"{prefix}last", taken)] * (f"({prefix}last)" in text)


def _module(name: str, ports: Sequence[_Port], text: str) -> str:
    listed = ",\n    ".join(map(str, (_Port("clock", True), _Port("reset", True), *ports)))
    return f"module {name} (\n    {listed}\n);\n{text}endmodule\n"


def _reads(text: str, file: str) -> bool:
    # Thresholds are files of a family, by step and lane, and look-ups by lane.
    return any(f'"{name}"' in text for name in (file, file.rsplit("_", 1)[0], file.rsplit("_", 2)[0]))
