"""Blocks of family `microscopiq` in SystemVerilog: weights merged as they are loaded, and elements."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from pyqkit.array.families import of
from pyqkit.array.families.microscopiq import weights
from pyqkit.array.machine import named
from pyqkit.formats.microscopiq import BlockWeight
from pyqkit.formats.microscopiq.routing import MICRO, MOST, choices
from tests.array.bench import Bench, Block, to_integers
from tests.array.blocks_of_weights import directed
from tests.rtl.pairs import ROOT

MACHINE = named("msq8x8")
LANE = 38
MERGE, ELEMENT, BUTTERFLY = "array_block_merge", "array_block_element", "array_block_butterfly"
SUM, TERM = 40, 19
# What each mutant has otherwise, by the module's name with a letter behind it.
MUTANTS = {
    f"{MERGE}_a": ("{1'b1, slot", "{1'b0, slot"),  # no hidden bit
    f"{MERGE}_b": ("pruned ? (BITS", "pruned && !flag ? (BITS"),  # lower halves stay weights
    f"{MERGE}_c": ("slot[lower[i]][HALF-1:0]", "slot[upper[i]][HALF-1:0]"),  # the upper half twice
    f"{ELEMENT}_a": ("negative[l] ?", "negative[1-l] ?"),  # the sign of the other lane
    f"{ELEMENT}_b": ("LANE'(low[LANE] && !narrow)", "LANE'(low[LANE])"),  # lanes leak
    f"{BUTTERFLY}_a": (
        "(way[3*i+:3] & ABOVE) == '0",
        "(way[3*i+:3] & ABOVE) == '0 && k != 1",
    ),  # level 1 adds nothing
    f"{BUTTERFLY}_b": ("else from_foreign", "else from_own"),  # what has crossed is lost
    f"{BUTTERFLY}_c": ("pairs <= g_level[k-1].pairs", "pairs <= places"),  # the list of another row
    f"{ELEMENT}_c": ("l == 1 && narrow ? of", "l == 1 ? of"),  # exponent of a lane that is not there
}


def merge(module: str, bits: int) -> Block:
    inputs = {"flag": 1, "places": 24, "slots": 8 * bits}
    return Block(module, {"BITS": bits}, inputs, {"weights": 8 * (bits + 3)})


def element(module: str, behind: bool) -> Block:
    width = 8 if behind else 15
    inputs = {"narrow": 1, "write": 1, "swap": 1, "weight": 10, "activation": width}
    inputs |= {"of_outliers": 2 * width, "shifts": 9, "sum_in": 2 * LANE}
    return Block(module, {"LANE": LANE, "BEHIND": int(behind)}, inputs, {"sum": 2 * LANE})


def butterfly(module: str) -> Block:
    inputs = {"flag": 1, "places": 24, "sums_in": 8 * SUM, "terms": 8 * TERM}
    return Block(module, {"SUM": SUM, "TERM": TERM}, inputs, {"sums": 8 * SUM})


BLOCKS = {
    BUTTERFLY: butterfly(BUTTERFLY),
    **{f"{MERGE}{bits}": merge(MERGE, bits) for bits in (2, 4)},
    ELEMENT: element(ELEMENT, False),
    "behind": element(ELEMENT, True),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("blocks")
    sources = folder / "rtl"
    (sources / "array").mkdir(parents=True)
    for module in (MERGE, ELEMENT, BUTTERFLY):
        text = (ROOT / "rtl" / "array" / f"pqk_{module}.sv").read_text()
        _write(sources, module, text)
        for name, (before, after) in MUTANTS.items():
            if name.startswith(module):
                assert text.count(before) == 1
                _write(sources, name, text.replace(before, after).replace(f"pqk_{module} ", f"pqk_{name} "))
    return Bench.of(BLOCKS | {name: _mutant(name) for name in MUTANTS}, folder / "model", sources)


def _mutant(name: str) -> Block:
    if BUTTERFLY in name:
        return butterfly(name)
    return merge(name, 4) if MERGE in name else element(name, False)


def _write(sources: Path, module: str, text: str) -> None:
    (sources / "array" / f"pqk_{module}.sv").write_text(text)


def merged(bench: Bench, name: str, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Signed magnitudes of directed blocks, by the block and by the encoding: (blocks, 8)."""
    fmt, lanes = BlockWeight(bits), 4 // bits
    values = directed(bits)
    values = values[: len(values) // lanes * lanes]
    codes = fmt.of_integers(values).reshape(-1, 1, lanes, 8).transpose(0, 1, 3, 2)
    mode = next(mode for mode in MACHINE.modes if mode.weight_bits == bits)
    items = np.unpackbits(of(MACHINE).slots(mode, codes), axis=1, bitorder="little")
    side = items[:, 32:88].reshape(-1, 2, 28)[:, :lanes].reshape(-1, 28)
    slots = items[:, :32].reshape(-1, 8, lanes, bits).transpose(0, 2, 1, 3).reshape(-1, 8 * bits)
    ports = {"flag": side[:, :1], "places": side[:, 4:], "slots": slots}
    ports = {key: np.concatenate([found, found[-1:]]) for key, found in ports.items()}
    found = bench.run({name: ports})[name]["weights"][1:].reshape(-1, 8, bits + 3)
    magnitude = found[..., : bits + 1].astype(np.int64) @ (1 << np.arange(bits + 1))
    exponents = np.where(found[..., -1], _joined(side[:, 1:4])[:, None], 0)
    inlier = np.repeat(_joined(items[:, 88:91]), lanes)[:, None]
    exponents = np.where(found[..., -1], exponents, inlier)
    signed = np.where(found[..., -2], -magnitude, magnitude) << exponents
    expected = weights(mode, of(MACHINE).slots(mode, codes)).transpose(0, 2, 1).reshape(-1, 8)
    return signed, expected.astype(np.int64)


def _joined(bits: np.ndarray) -> np.ndarray:
    return bits.astype(np.int64) @ (1 << np.arange(bits.shape[1]))


@pytest.mark.parametrize("bits", [2, 4])
def test_halves_are_merged(bench: Bench, bits: int) -> None:
    np.testing.assert_array_equal(*merged(bench, f"{MERGE}{bits}", bits))


@pytest.mark.parametrize("name", [name for name in MUTANTS if MERGE in name])
def test_mutants_of_merging_are_caught(bench: Bench, name: str) -> None:
    found, expected = merged(bench, name, 4)
    assert (found != expected).any()


def added(bench: Bench, name: str, narrow: bool, behind: bool) -> tuple[np.ndarray, np.ndarray]:
    """Sums of random weights and activations, by the element and by whole numbers: (cycles, lanes)."""
    random, count = np.random.default_rng(narrow + 2 * behind), 3000
    lanes, bits = (2, 3) if narrow else (1, 5)
    magnitude = random.integers(0, 1 << bits, (count, lanes))
    negative, outlier = random.integers(0, 2, (2, count, lanes))
    activation = random.integers(-127, 128, count)
    exponents = random.integers(0, 8, (count, 3))
    before = random.integers(-(2**36), 2**36, (count, lanes))
    code = magnitude | negative << bits | outlier << bits + 1
    weight = (code << np.arange(lanes) * (bits + 2)).sum(axis=1)
    late = 5 if behind else 4
    # a weight is written, then swapped in, and multiplies the activation of the next cycle
    ports = {
        name: np.zeros(count + 8, np.int64) for name in ("narrow", "write", "swap", "weight", "activation")
    }
    ports["narrow"][:], ports["write"][:], ports["swap"][:] = narrow, 1, 1
    ports["weight"][:count] = weight
    moved = activation if behind else activation << exponents[:, 0]
    ports["activation"][2 : count + 2] = moved
    ports["of_outliers"] = _shifted(
        np.stack([activation << exponents[:, 1 + lane] for lane in range(2)], 1), 2, 15, count
    )
    ports["shifts"] = _shifted(exponents, 4 - 1, 3, count)
    ports["sum_in"] = _shifted(before, 2 + late - 1, LANE if narrow else 2 * LANE, count)
    if behind:
        del ports["of_outliers"]
    found = bench.run({name: ports})[name]["sum"][2 + late : count + 2 + late]
    sums = to_integers(found.reshape(count, 2, LANE)) if narrow else to_integers(found[:, :63])[:, None]
    shift = np.where(outlier, exponents[:, 1 : 1 + lanes], exponents[:, :1])
    products = np.where(negative, -magnitude, magnitude) * activation[:, None] << shift
    return sums, before + products


def _shifted(values: np.ndarray, late: int, bits: int, count: int) -> np.ndarray:
    """Bits of several numbers side by side, so many cycles late: (cycles, bits)."""
    found = (values[..., None] >> np.minimum(np.arange(bits), 63) & 1).astype(np.uint8)
    flat = found.reshape(count, -1)
    return np.pad(flat, ((late, 8 - late), (0, 0)))


@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
def test_elements(bench: Bench, narrow: bool, behind: bool) -> None:
    np.testing.assert_array_equal(*added(bench, "behind" if behind else ELEMENT, narrow, behind))


@pytest.mark.parametrize("name", [name for name in MUTANTS if ELEMENT in name])
def test_mutants_of_elements_are_caught(bench: Bench, name: str) -> None:
    differ = [(found != expected).any() for found, expected in (added(bench, name, n, False) for n in (0, 1))]
    assert any(differ)


def routed(bench: Bench, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Sums behind the butterfly for every list of the encoder, a cycle each, and as they should be."""
    random = np.random.default_rng(0)
    lists = [
        (uppers, lowers)
        for count in range(MOST + 1)
        for uppers in combinations(range(MICRO), count)
        for lowers in (choices(uppers).lowers.tolist() if count else [[]])
    ]
    random.shuffle(lists)
    count = len(lists)
    terms = random.integers(-(2**18), 2**18, (count, MICRO))
    before = random.integers(-(2**38), 2**38, (count, MICRO))
    places, expected = np.zeros((count, MOST, 2), np.int64), before.copy()
    for row, (uppers, lowers) in enumerate(lists):
        for pair, (upper, lower) in enumerate(zip(uppers, lowers)):
            places[row, pair] = upper, lower
            expected[row, upper] += terms[row, lower]
    ports = {
        "flag": np.ones((count + 8, 1), np.uint8),
        "places": _shifted(places.reshape(count, -1), 0, 3, count),
        "sums_in": _shifted(before, 0, SUM, count),
        "terms": _shifted(terms, 0, TERM, count),
    }
    found = bench.run({name: ports})[name]["sums"][3 : count + 3]
    return to_integers(found.reshape(count, MICRO, SUM)), expected


def test_the_butterfly_brings_lower_halves_to_upper_ones(bench: Bench) -> None:
    np.testing.assert_array_equal(*routed(bench, BUTTERFLY))


@pytest.mark.parametrize("name", [name for name in MUTANTS if BUTTERFLY in name])
def test_mutants_of_the_butterfly_are_caught(bench: Bench, name: str) -> None:
    found, expected = routed(bench, name)
    assert (found != expected).any()
