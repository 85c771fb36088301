"""Blocks that are measured beside those of the machines: what they make is what their numbers are worth."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pyqkit.array.families import of
from pyqkit.array.families.lp import FRACTION_BITS, LOG_BITS, NEGATIVE, ZERO
from pyqkit.array.machine import named
from pyqkit.formats import parse
from pyqkit.formats.logposit import LogPosit
from tests.array.bench import Bench, Block, to_bits, to_integers
from tests.rtl.bench import needs_verilator

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from array_elements import LINEAR, posit

LATENCY = 4
CHOSEN = "e2m1", "posit4_0", "e4m3", "posit8_1"
LOG_POSITS = ("lp8_1_2", "lp8_0_7", "lp8_2_3", "lp8_1_1", "lp6_1_5", "lp4_0_3", "lp4_1_2", "lp5_0_2")


def block(name: str) -> Block:
    one = LINEAR[name]
    number, lanes, lane = one.exponent + one.significand + 2, one.lanes, one.parameters["LANE"]
    ports = {"write": 1, "swap": 1, "weight": lanes * number, "activation": number, "sum_in": lanes * lane}
    return Block("array_float_element", one.parameters, ports, {"sum": lanes * lane})


def test_posits_are_those_of_the_standard() -> None:
    """posit<8, 2>: 0x40 is 1, of which the smallest number is 2**-24."""
    eight, four = posit(8, 2).integers, posit(4, 0).integers
    assert [eight[code] / 2**24 for code in (0x01, 0x40, 0x44, 0x48, 0x50, 0x7F, 0x80, 0xC0)] == [
        *(2.0**-24, 1, 1.5, 2, 4, 2.0**24, 0, -1)
    ]
    assert [four[code] / 4 for code in range(8)] == [0, 0.25, 0.5, 0.75, 1, 1.5, 2, 4]


DECODER = Block(
    "array_lp_decoder",
    {},
    {"missing": 3, "exponent_size": 3, "regime_size": 3, "smallest": LOG_BITS, "code": 8},
    {"number": LOG_BITS + 2},
)


BLOCKS = {name: block(name) for name in CHOSEN} | {"decoder": DECODER}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench.of(BLOCKS, tmp_path_factory.mktemp("comparison"))


@needs_verilator
@pytest.mark.parametrize("name", CHOSEN)
def test_all_pairs_of_codes(bench: Bench, name: str) -> None:
    """Every weight, for which all activations come one after the other; sums from above are random."""
    one, bits = LINEAR[name], bench.blocks[name].inputs["activation"]
    numbers, integers, codes = one.numbers(), np.array(one.integers, object), len(one.integers)
    lanes, lane = one.lanes, one.parameters["LANE"]
    weights = np.stack([np.arange(codes), np.arange(codes)[::-1]][:lanes], axis=1)
    step = codes + 2  # a weight is written, swapped in, and multiplied
    cycles = codes * step + LATENCY
    write, swap, activation = (np.zeros(cycles, np.int64) for _ in range(3))
    weight = np.zeros((cycles, lanes * bits), np.uint8)
    for index, pair in enumerate(weights):
        at = index * step
        write[at], swap[at + 1] = 1, 1
        weight[at] = np.concatenate([to_bits(numbers[pair[i : i + 1]], bits)[0] for i in range(lanes)])
        activation[at + 2 : at + step] = numbers
    given = np.random.default_rng(0).integers(0, 2, (cycles, lanes * lane), np.uint8)
    stimuli = {"write": write, "swap": swap, "weight": weight, "activation": activation, "sum_in": given}
    found = bench.run({name: stimuli})[name]["sum"]
    for index, pair in enumerate(weights):
        first = index * step + 2
        for i in range(lanes):
            part = slice(i * lane, (i + 1) * lane)
            before = _whole(given[first + LATENCY - 1 : first + LATENCY - 1 + codes, part])
            after = _whole(found[first + LATENCY : first + LATENCY + codes, part])
            wanted = (before + integers * integers[pair[i]]) % 2**lane
            assert (after == wanted).all(), (name, pair)


def _whole(bits: np.ndarray) -> np.ndarray:
    """Python integers of rows of bits, the lowest first."""
    return np.array([int("".join(map(str, row[::-1])), 2) for row in bits.tolist()], object)


@needs_verilator
@pytest.mark.parametrize("name", LOG_POSITS)
def test_fields_are_decoded_as_the_table_says(bench: Bench, name: str) -> None:
    fmt = parse(name)
    assert isinstance(fmt, LogPosit)
    pair = of(named("lpa8x8")).pair(named("lpa8x8"), fmt, parse("lp2_0_1"))
    table = pair.activation_table.view(np.uint16)[: 2**fmt.bits].astype(np.int64)
    more = int(table[1]) & NEGATIVE - 1  # of the smallest number: what the family adds to all
    smallest = (more - (fmt.smallest_logarithm << FRACTION_BITS - fmt.fraction_bits)) % 2**LOG_BITS
    settings = {"missing": 8 - fmt.bits, "exponent_size": fmt.exponent_size, "regime_size": fmt.regime_size}
    given = {key: np.full(256 + 3, value) for key, value in {**settings, "smallest": smallest}.items()}
    given["code"] = np.arange(259) % 256
    found = to_integers(bench.run({"decoder": given})["decoder"]["number"])[3 : 3 + 2**fmt.bits]
    zero = table & ZERO != 0
    np.testing.assert_array_equal(found & ZERO != 0, zero)
    np.testing.assert_array_equal(found[~zero], table[~zero])
