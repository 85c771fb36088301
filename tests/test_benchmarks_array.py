"""ResNet-20 on the array of logarithms: cycles beside those of its products alone (modelled)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import merge_variants
from array_comparison import MACHINES, PAGE, TABLES, with_tables
from array_networks import resnet20

from pyqkit.array.area import area, parts
from pyqkit.array.compiler import compile_graph
from pyqkit.array.machine import named
from pyqkit.array.report import report
from pyqkit.array.rtl import sources
from pyqkit.array.rtl.blocks import blocks
from pyqkit.boards import load
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.rtl.synthesis import digest

ROWS, COLUMNS = 8, 8
BAR = 1.07  # of the cycles that the products of a frame take, one of a batch
SEVEN = [f"lp8_{es}_{rs}" for es, rs in ((1, 1), (1, 2), (1, 3), (0, 4), (0, 5), (0, 6), (0, 7))]
# Formats of the first layer's weights, of others', and of activations in turn; products that a slot makes.
NETWORKS = {
    "W4A8": (("lp8_1_2", "lp4_0_3"), SEVEN[1:2], (1, 2)),
    "W4A8 of seven formats": (("lp8_1_2", "lp4_0_3"), SEVEN, (1, 2)),
    "W8A8": (("lp8_1_2", "lp8_1_2"), SEVEN[1:2], (1, 1)),
}

LUT_SHARES = {"lpa8x8": 0.5, "int8x8": 0.5, "lp4_16x12": 0.75, "int24_16x16": 0.7}  # of an XC7Z020, at most
BAR_NS = 6.0


@pytest.mark.parametrize("name", LUT_SHARES)
def test_what_machines_take(name: str) -> None:
    """Every block of them was measured alone (synthesised), and is fast enough (estimated)."""
    there, known = load("PYNQ-Z2").resources, {part.block: part for part in parts()}
    machine = MACHINES[name]
    slowest = max(known[block].ns for block in blocks(machine))
    found = area(machine)
    assert slowest <= BAR_NS
    assert found.lut <= LUT_SHARES[name] * there["lut"]
    assert found.bram36 <= there["bram36"] and found.dsp <= there["dsp"]


def test_the_page_has_the_tables() -> None:
    page = PAGE.read_text()
    assert page == with_tables(page, TABLES.read_text())


def test_what_was_measured_is_what_there_is() -> None:
    """Blocks of all machines, each of the sources as they are."""
    library, known = sources(), {part.block: part for part in parts()}
    assert known.keys() >= {block for machine in MACHINES.values() for block in blocks(machine)}
    stale = [block for block, part in known.items() if part.digest != digest(block.circuit(), library)]
    assert not stale, "run benchmarks/array_comparison.py"


def test_the_page_has_the_ways_to_merge() -> None:
    """What stands in results, each of blocks that are there."""
    page, found = merge_variants.PAGE.read_text(), merge_variants.measured()
    assert page == merge_variants.with_table(page)
    library = sources()
    assert found and all(
        part.digest == digest(merge_variants.of_part(part).circuit(), library) for part in found
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_cycles_of_resnet20(name: str) -> None:
    """All of a frame: convolutions, residual sums, pool, classifier, and what post-processors hold up."""
    weights, activations, packing = NETWORKS[name]
    graph = resnet20(weights, activations)
    found = report(compile_graph(graph, named("lpa8x8")))
    macs = [op.macs(graph.input_tensors(op)) for op in graph.operators if isinstance(op, Convolution)]
    ideal = sum(n / (ROWS * COLUMNS * packing[i > 0]) for i, n in enumerate(macs))
    assert (found.segments, found.host) == (1, ())
    assert found.ideal_cycles == ideal
    assert ideal < found.frame_cycles <= BAR * ideal
    first, *others = [layer for layer in found.layers if layer.macs > 10_000]
    assert first.filled == 27 / 48  # products of a channel, in six tiles of eight rows
    assert min(layer.filled for layer in others) >= 0.9  # residual sums are a word of codes each
    assert sum(layer.waiting for layer in found.layers) < 0.01 * found.frame_cycles
