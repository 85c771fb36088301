"""Cells of the table of conflicts (docs/microscopiq.md): the simulated matrix waits as the model says."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyqkit.array.families import of as family
from pyqkit.array.machine import named
from pyqkit.array.rtl.elements import of as elements
from tests.array.bench import Bench, Block, to_bits
from tests.rtl.bench import needs_verilator

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from merge_network import PAGE, TILES, cell, row, tiles

SIDES = 28  # bits of flag, exponent and list of eight columns, of either lane
UPPER_0_LOWER_1 = 1 << 3  # a list: the lower half of place 0 stands in place 1
LATE = 16  # steps in which the last row has its last products, and more
CELLS = [
    (8, 0.02, 2, 1),
    (8, 0.02, 64, 1),
    (8, 0.05, 8, 1),
    (8, 0.05, 64, 2),
    (16, 0.01, 8, 1),
    (16, 0.05, 8, 1),
]


def block(size: int, networks: int) -> Block:
    """A square matrix whose rows share networks."""
    machine = replace(named("msq8x8"), rows=size, columns=size, merge="butterfly", networks=networks)
    given = elements(machine).parameters(machine)
    inputs = {"mode": 1, "write": 1, "write_row": (size - 1).bit_length(), "swap": 1, "valid": 1}
    inputs |= {"slots": family(machine).weight_bits(machine), "codes": 8 * size}
    return Block(
        "array_block_shared_matrix", given, inputs, {"steps": 1, "sums": 2 * size * int(given["LANE"])}
    )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    kinds = sorted({(size, networks) for size, _, _, networks in CELLS})
    blocks = {f"of_{size}_{networks}": block(size, networks) for size, networks in kinds}
    return Bench.of(blocks, tmp_path_factory.mktemp("contended"))


def stimuli(of: Block, flags: np.ndarray, lasts: np.ndarray) -> dict[str, np.ndarray]:
    """A tile is loaded and takes vectors; steps in which it does last for so long."""
    size, groups = flags.shape
    batch, steps = len(lasts) - size + 1, 2 + 2 * size + len(lasts) + LATE
    ports = {name: np.zeros(steps, np.int64) for name in ("write", "write_row", "swap", "valid")}
    slots = np.zeros((steps, of.inputs["slots"]), np.uint8)
    ports["write"][:size], ports["write_row"][:size] = 1, np.arange(size)
    for group in range(groups):
        first = 4 * 8 * groups + 2 * SIDES * group
        slots[:size, first] = flags[:, group]
        slots[:size, first + 4 : first + SIDES] = to_bits(np.array([UPPER_0_LOWER_1]), SIDES - 4)
    start = size + 2
    ports["swap"][start] = 1
    ports["valid"][start : start + batch] = 1
    long = np.ones(steps, np.int64)
    long[start + 4 :][: len(lasts)] = lasts  # products come four steps behind activations
    return {name: np.repeat(port, long, axis=0) for name, port in {**ports, "slots": slots}.items()}


def asking(flags: np.ndarray, batch: int) -> np.ndarray:
    """Rows that request a network of eight columns, (steps, columns / 8)."""
    size = len(flags)
    found = np.zeros((batch + size - 1, flags.shape[1]), np.int64)
    for at in range(size):
        found[at : at + batch] += flags[at]
    return found


@needs_verilator
@pytest.mark.parametrize(("size", "rate", "batch", "networks"), CELLS)
def test_cells_are_simulated(bench: Bench, size: int, rate: float, batch: int, networks: int) -> None:
    """Cycles in which no step ends are those that the table says are lost; the page has this row."""
    name, waits = f"of_{size}_{networks}", 0
    for flags in tiles(size, rate):
        lasts = np.maximum(1, -(-asking(flags, batch) // networks)).max(axis=1)
        given = stimuli(bench.blocks[name], flags, lasts)
        steps = bench.run({name: given})[name]["steps"][:, 0]
        waits += int((steps == 0).sum())
    modelled = cell(size, rate, batch, networks)
    assert waits == modelled.waits > 0
    assert modelled.ideal == TILES * (batch + size - 1)
    assert row(size, rate, batch) in PAGE.read_text()
    lost = waits / (waits + modelled.ideal)
    print(f"{size} columns, {rate:.1%}, {batch} vectors, {networks}: {lost:.1%} lost")
