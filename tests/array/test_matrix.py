"""Matrices of elements in SystemVerilog: every pair of codes in every mode, against the definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyqkit.array.families import of
from pyqkit.array.families.integer import nibbles
from pyqkit.array.families.lp import FRACTION_BITS
from pyqkit.array.machine import Mode, named
from pyqkit.array.rtl.elements import of as elements
from pyqkit.formats import parse, product
from pyqkit.formats.products import LogProduct
from tests.array.bench import Bench, Block, to_integers

SIDE = 2  # rows and columns
LP = replace(named("lpa8x8"), rows=SIDE, columns=SIDE)
LP4 = replace(LP, modes=(Mode(4, 4, 26, 40),))
INTEGER = replace(
    named("int8x8"),
    rows=SIDE,
    columns=SIDE,
    modes=tuple(Mode(w, a, 8, 32) for w, a in ((2, 2), (4, 2), (2, 4), (4, 4), (2, 8))),
)
MACHINES = {"lp": LP, "lp4": LP4, "integer": INTEGER}
CHOICES = 2, 1  # of the tables of activations and of weights
LATENCY = SIDE + 4
TILES, POSITIONS = 256 // SIDE**2, 256  # all slots, all activations

# Activations and weights; bits of a code say which mode.
LOGARITHMS = [
    ("lp8_1_3", "lp8_1_3"),
    ("lp8_2_2", "lp8_2_2"),
    ("lp8_0_7", "lp8_0_1"),
    ("lp8_1_3", "lp4_1_3"),
    ("lp8_2_2", "lp4_0_1"),
    ("lp8_0_7", "lp4_0_3"),
    ("lp8_1_3", "lp2_0_1"),
    ("lp8_2_2", "lp2_1_1"),
    ("lp8_0_1", "lp2_0_1"),
]
NARROW = [("lp4_1_3", "lp4_0_3"), ("lp4_0_1", "lp4_0_2")]
INTEGERS = [
    ("int2", "int2"),
    ("uint2", "odd2"),
    ("uint2", "int4"),
    ("int4", "odd2"),
    ("uint4", "int4"),
    ("e2m1", "odd4"),
    ("uint8", "int2"),
    ("int8", "odd2"),
]
NIBBLES = [("int8", "int8"), ("uint8", "odd8"), ("uint4", "int8")]


def block(name: str) -> Block:
    machine, made = MACHINES[name], elements(MACHINES[name])
    parameters = made.parameters(machine)
    inputs = {
        "mode": int(parameters["MODE"]),
        "weight_high": 1,
        "activation_high": 1,
        "weight_table": 2,
        "activation_table": 2,
        "table_write": 1,
        "table_of_weights": 1,
        "table_choice": 2,
        "table_index": 8,
        "table_entry": int(parameters["ENTRY"]),
        "write": 1,
        "write_row": 1,
        "slots": 8 * SIDE,
        "swap": 1,
        "codes": 8 * SIDE,
    }
    return Block("array_matrix", parameters, inputs, {"sums": SIDE * made.columns(machine).bits})


def tables(name: str, left: str, right: str) -> list[np.ndarray]:
    """Entries for activations and for weights, as the matrix takes them."""
    machine = MACHINES[name]
    pair = of(machine).pair(machine, parse(left), parse(right))
    items = pair.activation_table, pair.weight_table
    if machine.family == "integer":
        return [table.view(np.uint8).astype(np.int64) for table in items]
    # A machine of narrow codes keeps the highest bits of a fraction.
    cut = FRACTION_BITS - int(elements(machine).parameters(machine)["FRACTION"])
    return [table.view(np.uint16).astype(np.int64) >> cut for table in items]


class Stimulus:
    """Ports of a matrix over time; every slot meets every activation in each column, in random order."""

    def __init__(
        self, machine: str, mode: Mode, tables: list[np.ndarray], seed: int, high: tuple[int, int]
    ) -> None:
        random = np.random.default_rng(seed)
        self.slots = random.permutation(256).reshape(TILES, SIDE, SIDE)  # tile, row, column
        self.codes = random.permuted(np.tile(np.arange(256), (TILES, SIDE, 1)), axis=2)  # tile, row, position
        begin = sum(map(len, tables)) + 8
        starts = begin + POSITIONS * np.arange(TILES)
        cycles = begin + TILES * POSITIONS + LATENCY
        self.first = begin + LATENCY
        ports = (
            "write",
            "write_row",
            "swap",
            "table_write",
            "table_of_weights",
            "table_choice",
            "table_index",
            "table_entry",
        )
        self.ports = {name: np.zeros(cycles, np.int64) for name in ports}
        self.ports["mode"] = np.full(cycles, elements(MACHINES[machine]).mode_bits(mode))
        slots, codes = np.zeros((cycles, SIDE), np.int64), np.zeros((cycles, SIDE), np.int64)
        cycle = 0
        for side, table in enumerate(tables):
            for index, entry in enumerate(table):
                written = {"table_of_weights": side, "table_choice": CHOICES[side]}
                self._set(cycle, table_write=1, table_index=index, table_entry=entry, **written)
                cycle += 1
        for tile, start in enumerate(starts):
            self._set(start, swap=1)
            # After the swap of the tile before, in time for its own; rows at different times.
            rows = random.permutation(SIDE)
            earliest = starts[tile - 1] if tile else start - 6
            times = np.sort(random.choice(np.arange(earliest, start - 3), SIDE, replace=False)) + SIDE - 1
            times = np.where(rows == 0, np.minimum(times, start - 2), times)
            for row, time in zip(rows, times):
                self._set(time, write=1, write_row=row)
                slots[time] = self.slots[tile, row]
            for row in range(SIDE):
                codes[start + row : start + row + POSITIONS, row] = self.codes[tile, row]
        names = "activation_table", "weight_table"
        self.ports |= {name: np.full(cycles, choice) for name, choice in zip(names, CHOICES)}
        self.ports["weight_high"], self.ports["activation_high"] = (np.full(cycles, int(h)) for h in high)
        self.ports["slots"] = slots @ (1 << 8 * np.arange(SIDE))
        self.ports["codes"] = codes @ (1 << 8 * np.arange(SIDE))

    def _set(self, cycle: int, **values: int) -> None:
        for name, value in values.items():
            self.ports[name][cycle] = value

    def expected(self, products: np.ndarray) -> np.ndarray:
        """Sums as (tile * position, column, lane).

        Of `products` by activation and slot, (256, 256, lanes).
        """
        terms = products[self.codes[:, :, :, None], self.slots[:, :, None, :]]
        return terms.sum(axis=1).reshape(-1, SIDE, products.shape[2])

    def found(self, sums: np.ndarray, name: str, count: int) -> np.ndarray:
        """The same of the simulation, by lane of `count`."""
        columns = elements(MACHINES[name]).columns(MACHINES[name])
        width = columns.bits
        lane = width // max(count, min(columns.segments, 2))
        kept = sums[self.first : self.first + TILES * POSITIONS].reshape(-1, SIDE, width)
        return np.stack([to_integers(kept[..., i * lane : (i + 1) * lane]) for i in range(count)], axis=2)


def log_case(name: str, left: str, right: str) -> tuple[Stimulus, np.ndarray]:
    a, w = parse(left), parse(right)
    mode = next(mode for mode in MACHINES[name].modes if mode.weight_bits == w.bits)
    pair = product(a, w)
    assert isinstance(pair, LogProduct) and pair.bits <= mode.product_bits + 7
    table = pair.table * (1 if pair.fraction_bits else 128)
    slots = np.arange(256)[:, None] >> w.bits * np.arange(8 // w.bits) & 2**w.bits - 1
    products = table[np.arange(256) % 2**a.bits][:, slots]
    return Stimulus(name, mode, tables(name, left, right), len(left + right), (0, 0)), products


def integer_case(left: str, right: str, high: tuple[int, int] = (0, 0)) -> tuple[Stimulus, np.ndarray]:
    """Sums of products of the codes of a slot; of eight bits on both sides, those of the nibbles `high`."""
    a, w = parse(left), parse(right)
    pair = of(INTEGER).pair(INTEGER, a, w)
    values = []
    for fmt, nibble in ((w, high[0]), (a, high[1])):
        codes = np.arange(256)
        if len(pair.parts) > 1 and fmt.bits == 8:
            part = nibbles(fmt, 8)
            assert part is not None
            values.append(part[nibble][codes >> 4 * nibble & 15][:, None])
        else:
            found = codes[:, None] >> fmt.bits * np.arange(pair.planes) & 2**fmt.bits - 1
            values.append(fmt.integers[found])
    products = (values[1][:, None] * values[0][None]).sum(axis=2, keepdims=True)
    mode = INTEGER.modes[pair.mode]
    return Stimulus("integer", mode, tables("integer", left, right), len(left), high), products


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench.of({name: block(name) for name in MACHINES}, tmp_path_factory.mktemp("matrix"))


def wrong(bench: Bench, name: str, case: tuple[Stimulus, np.ndarray]) -> int:
    """How many sums differ, of all pairs of codes."""
    stimulus, products = case
    sums = bench.run({name: stimulus.ports})[name]["sums"]
    expected = stimulus.expected(products)
    return int((stimulus.found(sums, name, expected.shape[2]) != expected).sum())


@pytest.mark.parametrize("left, right", LOGARITHMS)
def test_logarithms(bench: Bench, left: str, right: str) -> None:
    assert wrong(bench, "lp", log_case("lp", left, right)) == 0


@pytest.mark.parametrize("left, right", NARROW)
def test_logarithms_of_four_bits(bench: Bench, left: str, right: str) -> None:
    assert of(LP4).lanes(LP4.modes[0]) == 2
    assert wrong(bench, "lp4", log_case("lp4", left, right)) == 0


@pytest.mark.parametrize("left, right", INTEGERS)
def test_integers(bench: Bench, left: str, right: str) -> None:
    assert wrong(bench, "integer", integer_case(left, right)) == 0


@pytest.mark.parametrize("left, right", NIBBLES)
def test_integers_by_nibbles(bench: Bench, left: str, right: str) -> None:
    a, w = parse(left), parse(right)
    total = np.zeros((256, 256), np.int64)
    for high in [(h, i) for h in range(2) for i in range(2 if a.bits == 8 else 1)]:
        case = integer_case(left, right, high)
        assert wrong(bench, "integer", case) == 0
        total += case[1][:, :, 0] << 4 * sum(high)
    np.testing.assert_array_equal(
        total, np.multiply.outer(a.integers[np.arange(256) % 2**a.bits], w.integers)
    )
