"""Matrices of family `microscopiq` with and without networks: the sums of the encoding's own values."""

from __future__ import annotations

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
LANE = int(elements(MACHINE).parameters(MACHINE)["LANE"])
MATRIX, MARKED, MARKS = (f"array_block_{name}" for name in ("matrix", "marked", "marks"))
SLOT, CROSSBAR = "array_slot_element", "array_block_crossbar"
# What each mutant has otherwise: of the blocks that only crossbars need, and of what all share.
MUTANTS = {
    "another lane's flag": (MATRIX, ".flag(sides[l*SIDE])", ".flag(sides[0] || sides[l*SIDE])"),
    "exponents too early": (MATRIX, "shifts <= now", "shifts <= swaps ? next : now"),
    "pruned places count": (CROSSBAR, "mark[1] ? '0 : mine", "mark[1] && narrow ? '0 : mine"),
    "upper halves too small": (CROSSBAR, "TERM'(own) <<< 2", "TERM'(own) <<< 1"),
    "halves of another place": (CROSSBAR, "2*mark[4:2]+l", "2*{mark[3], mark[4], mark[2]}+l"),
    "no hidden bit": (SLOT, "{upper || now[2] && !lower, now[1:0]}", "{now[2] && !lower, now[1:0]}"),
    "marks of another row": (SLOT, ".STAGES(3)", ".STAGES(2)"),
    "halves as inliers": (SLOT, "outlier <= upper || lower", "outlier <= upper"),
    "lists without a flag": (MARKS, "flag && places", "(flag || c == 0) && places"),
}


def matrix(module: str, crossbars: bool) -> Block:
    inputs = {"mode": 1, "write": 1, "write_row": 2, "slots": ITEM, "swap": 1, "codes": 8 * ROWS}
    parameters = elements(MACHINE).parameters(MACHINE) | {"ROWS": ROWS, "CROSSBARS": int(crossbars)}
    return Block(module, parameters, inputs, {"sums": COLUMNS * 2 * LANE})


BLOCKS = {"merged": matrix(MATRIX, False), "crossbars": matrix(MATRIX, True)}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The matrices, and one for each mutant whose modules have names of their own."""
    folder = tmp_path_factory.mktemp("matrices")
    sources, blocks = folder / "rtl", dict(BLOCKS)
    (sources / "array").mkdir(parents=True)
    library = {path.stem.removeprefix("pqk_"): path.read_text() for path in (ROOT / "rtl").rglob("*.sv")}
    for index, (name, (module, right, wrong)) in enumerate(MUTANTS.items()):
        assert right in library[module], name
        own = {part: f"{part}_{index}" for part in (MATRIX, MARKED, module)}
        for part, renamed in own.items():
            text = library[part].replace(right, wrong) if part == module else library[part]
            for before, after in own.items():
                text = text.replace(f"pqk_{before} ", f"pqk_{after} ")
            library[renamed] = text
        blocks[f"mutant_{index}"] = matrix(own[MATRIX], module != MATRIX)
    for module, text in library.items():
        kept = sources / "array" if module.startswith("array_") else sources
        (kept / f"pqk_{module}.sv").write_text(text)
    return Bench.of(blocks, folder / "model", sources)


class Tiles:
    """Random tiles and activations, tile after tile without a pause, and what they make."""

    def __init__(self, mode: Mode) -> None:
        random, self.mode = np.random.default_rng(mode.weight_bits), mode
        items = random_items(COLUMNS, mode.weight_bits, TILES * ROWS, random)
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

    def found(self, bench: Bench, name: str) -> np.ndarray:
        """The same of the simulation."""
        sums = bench.run({name: self.ports})[name]["sums"]
        kept = sums[POSITIONS + LATENCY :][: TILES * POSITIONS].reshape(-1, COLUMNS, 2 * LANE)
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
    tiles = Tiles(mode)
    np.testing.assert_array_equal(tiles.found(bench, name), tiles.expected)


@needs_verilator
@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_caught(bench: Bench, mutant: str) -> None:
    both = [Tiles(mode) for mode in MACHINE.modes]
    name = f"mutant_{list(MUTANTS).index(mutant)}"
    assert any((tiles.found(bench, name) != tiles.expected).any() for tiles in both)
