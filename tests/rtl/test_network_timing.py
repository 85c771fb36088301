"""Paths through several blocks, put together from what each block says of its ports."""

from __future__ import annotations

import importlib.util
from pathlib import Path as File

import pytest

from pyqkit.errors import MissingToolError, UserError
from pyqkit.formats import parse
from pyqkit.rtl.circuits import BlockCircuit, circuits_of
from pyqkit.rtl.emitter import Block, Fifo, Stream
from pyqkit.rtl.generate import Design, generate
from pyqkit.rtl.network_timing import time_network, with_crossings
from pyqkit.rtl.static_timing import LABEL, Edges, Path, Span
from pyqkit.rtl.synthesis import Circuit
from tests.emulate.networks import Net, everything
from tests.rtl.bench import needs_yosys


def alone(name: str, *wires: str, fifo: str = "") -> BlockCircuit:
    streams = [Stream(name, 1, 1)]
    block = Block(name, f"{name}_op", streams, streams, None, "")
    if fifo:
        block = Fifo(name, f"{name}_op", streams, streams, None, "", edge=(name, fifo))
    return BlockCircuit(block, (), Circuit(name, ""), {wire: wire for wire in wires})


def inner(ns: float) -> Path:
    return Path(ns, 2, "2 LUT", "r", "s.D")


BLOCKS = [alone("a", "x_data"), alone("b", "x_data", "y_data"), alone("c", "y_data", fifo="reader")]
EDGES = [
    Edges({"x_data": Span(1.5, 2)}, {"reset": Span(9.0, 1)}, {}),
    Edges({"y_data": Span(0.3, 0)}, {"x_data": Span(2.0, 3)}, {("x_data", "y_data"): Span(1.0, 1)}),
    Edges({}, {"y_data": Span(4.0, 4)}, {}),
]


def test_the_longest_path_counts_wherever_it_begins() -> None:
    a, b, c = with_crossings(BLOCKS, [(inner(2.5), EDGES[0]), (inner(3.6), EDGES[1]), (inner(5.0), EDGES[2])])
    assert (a.ns, a.mhz, a.levels, a.begin, a.end, a.operator) == (2.5, 400.0, 2, "r", "s.D", "a_op")
    assert (b.ns, b.levels, b.begin) == (3.6, 2, "r")  # 1.5 + 2.0 through x is shorter
    # from a through b into c: 1.5 + 1.0 + 4.0, more than b's own register and than what c has inside
    assert (c.ns, c.levels, c.begin, c.operator) == (6.5, 7, "a: y_data", "reader")


def test_streams_that_depend_on_themselves_are_an_error() -> None:
    loop = Edges({}, {}, {("y_data", "x_data"): Span(1.0, 1)})
    with pytest.raises(UserError, match="depends on itself through 2 wires"):
        with_crossings(
            [BLOCKS[1], alone("d", "x_data", "y_data")], [(inner(1.0), EDGES[1]), (inner(1.0), loop)]
        )


def small() -> Design:
    net = Net(parse("int2"), parse("int2"), (1, 1, 2))
    out = net.conv("t_fc", "x", 2, kernel=1)
    return generate(net.finish(out))


def test_fifos_of_one_size_are_one_circuit() -> None:
    fifos = [one for one in circuits_of(small()) if isinstance(one.block, Fifo)]
    assert all(one.circuit.name == "only_fifo" for one in fifos)
    sizes = {tuple(one.parts[0].parameters.items()) for one in fifos}
    assert len({one.circuit.text for one in fifos}) == len(sizes) <= len(fifos)
    assert {"x_data", "t_fc_data"} <= {one.ports["in_data"] for one in fifos}


def test_circuits_have_every_table_that_they_read() -> None:
    design = generate(everything("int4").graph)
    held = {file for one in circuits_of(design) for file in one.circuit.tables}
    assert held == {file for file in design.files if file.endswith(".hex")}


@needs_yosys
def test_a_network_is_timed_block_by_block(tmp_path: File) -> None:
    said: list[str] = []
    found = time_network(small(), 100.0, cache=tmp_path, say=said.append)
    assert found.label == LABEL == "estimated (logic)" and found.meets
    slowest = max(found.blocks, key=lambda block: block.ns)
    assert (
        (found.slowest, found.mhz)
        == (slowest.block, slowest.mhz)
        == (slowest.block, round(1000 / slowest.ns, 1))
    )
    assert {"t_fc"} < {block.operator for block in found.blocks}
    assert said and said[-1].startswith("synthesising blocks: ")
    again = time_network(small(), found.mhz + 1, factor=1.0, cache=tmp_path)
    assert again.blocks == found.blocks and not again.meets
    dense = time_network(small(), 100.0, nets="dense", cache=tmp_path)
    assert dense.mhz < found.mhz < time_network(small(), 100.0, 0.5, cache=tmp_path).mhz


def test_without_yosys_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: File) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingToolError, match=r"pyqkit\[synth\]"):
        time_network(small(), 100.0, cache=tmp_path)
