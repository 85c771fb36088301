"""Matrices of family `microscopiq` with and without networks: the sums of the encoding's own values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyqkit.array.families.microscopiq import weights
from pyqkit.array.machine import Mode, named
from pyqkit.array.rtl.elements import of as elements
from tests.array.bench import Bench, Block, to_integers
from tests.array.blocks_of_weights import random_items
from tests.rtl.bench import needs_verilator
from tests.rtl.pairs import ROOT

MACHINE = named("msq8x8")
ROWS, COLUMNS, ITEM = 4, 8, 91
TILES, POSITIONS = 60, 12
LATENCY = ROWS + 5
MADE, LATE = 4, 6  # steps from an activation to its product; cycles from a step's end to sums of the last row
NETWORKS = 2  # mutants have one, which is built sooner
LANE = int(elements(MACHINE).parameters(MACHINE)["LANE"])
MATRIX, MARKED, MARKS = (f"array_block_{name}" for name in ("matrix", "marked", "marks"))
SLOT, CROSSBAR = "array_slot_element", "array_block_crossbar"
SHARED, NETWORK, TERMS = (f"array_block_{name}" for name in ("shared_matrix", "network", "terms"))
# What each mutant has otherwise: of the blocks that only crossbars need, and of what all share.
MUTANTS = {
    "another lane's flag": (MATRIX, ".flag(sides[l*SIDE])", ".flag(sides[0] || sides[l*SIDE])"),
    "exponents too early": (MATRIX, "shifts <= now", "shifts <= swaps ? next : now"),
    "pruned places count": (CROSSBAR, "mark[1] ? '0 : mine", "mark[1] && narrow ? '0 : mine"),
    "upper halves too small": (CROSSBAR, "TERM'(own) <<< 2", "TERM'(own) <<< 1"),
    "halves of another place": (CROSSBAR, "PRODUCT*mark[4:2]", "PRODUCT*{mark[3], mark[4], mark[2]}"),
    "no hidden bit": (SLOT, "{upper || now[2] && !lower, now[1:0]}", "{now[2] && !lower, now[1:0]}"),
    "marks of another row": (SLOT, ".STAGES(3)", ".STAGES(2)"),
    "halves as inliers": (SLOT, "outlier <= upper || lower", "outlier <= upper"),
    "a dropped grant": (NETWORK, "left = asking & ~granted", "left = asking & ~(granted | asking << 1)"),
    "merged terms are not kept": (TERMS, "if (!requested || |served) kept", "kept"),
    "lists of the tile before": (SHARED, ".STAGES(MADE)) late", ".STAGES(MADE + 1)) late"),
    "one lane requests": (SHARED, "(mine[0] || narrow && mine[LIST])", "mine[0]"),
    "the hidden bit has no sign": (
        SLOT,
        "negative ? -$signed({1'b0, magnitude})",
        "negative ? (upper ? (narrow ? 4'd4 : 4'd8) : 4'd0) - {1'b0, magnitude}",
    ),
    "lists without a flag": (MARKS, "flag && places", "(flag || c == 0) && places"),
}


def matrix(module: str, merge: str, networks: int = 1) -> Block:
    inputs = {"mode": 1, "write": 1, "write_row": 2, "slots": ITEM, "swap": 1, "codes": 8 * ROWS}
    outputs = {"sums": COLUMNS * 2 * LANE}
    if merge == "butterfly":
        inputs, outputs = inputs | {"valid": 1}, outputs | {"steps": 1}
    machine = replace(MACHINE, merge=merge, networks=networks)
    return Block(module, elements(machine).parameters(machine) | {"ROWS": ROWS}, inputs, outputs)


BLOCKS = {
    "merged": matrix(MATRIX, "load"),
    "crossbars": matrix(MATRIX, "crossbar"),
    "butterfly": matrix(SHARED, "butterfly", NETWORKS),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The matrices, and one for each mutant whose modules have names of their own."""
    folder = tmp_path_factory.mktemp("matrices")
    sources, blocks = folder / "rtl", dict(BLOCKS)
    (sources / "array").mkdir(parents=True)
    library = {path.stem.removeprefix("pqk_"): path.read_text() for path in (ROOT / "rtl").rglob("*.sv")}
    for index, (name, (module, right, wrong)) in enumerate(MUTANTS.items()):
        assert right in library[module], name
        whole = SHARED if module in (SHARED, NETWORK, TERMS) else MATRIX
        own = {part: f"{part}_{index}" for part in (whole, MARKED, module)}
        for part, renamed in own.items():
            text = library[part].replace(right, wrong) if part == module else library[part]
            for before, after in own.items():
                text = text.replace(f"pqk_{before} ", f"pqk_{after} ")
            library[renamed] = text
        merge = "butterfly" if whole == SHARED else "load" if module == MATRIX else "crossbar"
        blocks[f"mutant_{index}"] = matrix(own[whole], merge)
    for module, text in library.items():
        kept = sources / "array" if module.startswith("array_") else sources
        (kept / f"pqk_{module}.sv").write_text(text)
    return Bench.of(blocks, folder / "model", sources)


class Tiles:
    """Random tiles and activations, tile after tile without a pause, and what they make."""

    def __init__(self, mode: Mode, networks: int = 0) -> None:
        random, self.mode = np.random.default_rng(mode.weight_bits), mode
        items = random_items(COLUMNS, mode.weight_bits, TILES * ROWS, random, networks > 0)
        same_signs(items, mode.weight_bits)
        numbers = random.integers(-128, 128, (TILES, POSITIONS, ROWS))
        cycles = LATENCY + (TILES + 1) * POSITIONS
        self.ports = {name: np.zeros(cycles, np.int64) for name in ("write", "write_row", "swap")}
        self.ports["mode"] = np.full(cycles, mode.weight_bits == 2, np.int64)
        slots, codes = np.zeros((cycles, ITEM), np.uint8), np.zeros((cycles, ROWS), np.uint8)
        starts = POSITIONS * (1 + np.arange(TILES))
        self.ports["swap"][starts] = 1
        for row in range(ROWS):
            self.ports["write"][starts - 2 + row] = 1
            self.ports["write_row"][starts - 2 + row] = row
            slots[starts - 2 + row] = items[row::ROWS]
            first = POSITIONS + row
            codes[first : first + TILES * POSITIONS, row] = numbers[:, :, row].ravel()
        self.ports |= {"slots": slots, "codes": np.unpackbits(codes, axis=1, bitorder="little")}
        stored = np.packbits(items, axis=1, bitorder="little")
        values = weights(mode, stored).reshape(TILES, ROWS, -1)
        self.expected = (numbers @ values).reshape(TILES * POSITIONS, COLUMNS, -1).astype(np.int64)
        self.comes = POSITIONS + LATENCY + np.arange(TILES * POSITIONS)  # cycles of the sums
        if networks:
            flags = items[:, [32, 60]].any(axis=1) if mode.weight_bits == 2 else items[:, 32] > 0
            self._wait(flags, networks)

    def _wait(self, flags: np.ndarray, networks: int) -> None:
        """What comes in stays until all rows that have outliers were served, so many a cycle."""
        self.ports["valid"] = np.zeros(len(self.ports["swap"]), np.int64)
        self.ports["valid"][POSITIONS:][: TILES * POSITIONS] = 1
        steps = len(self.ports["swap"]) + ROWS
        requests = np.zeros(steps, np.int64)
        for row in range(ROWS):
            first = POSITIONS + row + MADE
            requests[first:][: TILES * POSITIONS] += np.repeat(flags[row::ROWS], POSITIONS)
        lasts = np.maximum(1, -(-requests // networks))
        self.ports = {
            name: np.repeat(np.pad(port, [(0, ROWS)] + [(0, 0)] * (port.ndim - 1)), lasts, axis=0)
            for name, port in self.ports.items()
        }
        self.ports["mode"][:] = self.mode.weight_bits == 2
        self.ends = np.cumsum(lasts) - 1
        step = POSITIONS + np.arange(TILES * POSITIONS) + ROWS - 1 + MADE
        self.comes = self.ends[step] + LATE

    def found(self, bench: Bench, name: str) -> np.ndarray:
        """The same of the simulation."""
        self.outputs = bench.run({name: self.ports})[name]
        kept = self.outputs["sums"][self.comes].reshape(-1, COLUMNS, 2 * LANE)
        if self.mode.weight_bits == 4:
            return to_integers(kept)[..., None]
        return to_integers(kept.reshape(-1, COLUMNS, 2, LANE))


def same_signs(items: np.ndarray, bits: int) -> None:
    """Give lower halves the signs of the upper ones, as encoders do: only a network looks at both."""
    for lane in range(4 // bits):
        lists = items[:, 4 * COLUMNS + 28 * lane + 4 :][:, :24].reshape(-1, 4, 2, 3)
        places = lists.astype(np.int64) @ [1, 2, 4]
        row, pair = np.nonzero(places[..., 0] != places[..., 1])
        upper, lower = (4 * places[row, pair, half] + bits * lane + bits - 1 for half in range(2))
        items[row, lower] = items[row, upper]


@needs_verilator
@pytest.mark.parametrize("mode", MACHINE.modes, ids=lambda mode: mode.name)
@pytest.mark.parametrize("name", BLOCKS)
def test_sums_are_those_of_the_values(bench: Bench, name: str, mode: Mode) -> None:
    tiles = Tiles(mode, NETWORKS if name == "butterfly" else 0)
    np.testing.assert_array_equal(tiles.found(bench, name), tiles.expected)


@needs_verilator
@pytest.mark.parametrize("mode", MACHINE.modes, ids=lambda mode: mode.name)
def test_steps_last_until_all_rows_are_served(bench: Bench, mode: Mode) -> None:
    tiles = Tiles(mode, NETWORKS)
    tiles.found(bench, "butterfly")
    np.testing.assert_array_equal(np.flatnonzero(tiles.outputs["steps"][:, 0]), tiles.ends)
    assert len(tiles.outputs["steps"]) > 1.2 * len(tiles.ends)


@needs_verilator
@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_caught(bench: Bench, mutant: str) -> None:
    both = [Tiles(mode, int(MUTANTS[mutant][0] in (SHARED, NETWORK, TERMS))) for mode in MACHINE.modes]
    name = f"mutant_{list(MUTANTS).index(mutant)}"
    assert any((tiles.found(bench, name) != tiles.expected).any() for tiles in both)
