"""What elements of each family make of codes is what the formats' products say."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.array import families, machine
from pyqkit.errors import UserError
from pyqkit.formats import parse, product

LPA, INTEGERS = machine.named("lpa4x4"), machine.named("int8x8")


def _all_pairs(
    array: machine.Machine, activation: str, weight: str, used: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Products of all pairs of codes, by the family's elements and by the definition."""
    family, left, right = families.of(array), parse(activation), parse(weight)
    pair = family.pair(array, left, right, used=used)
    mode = array.modes[pair.mode]
    tiles = family.slots(mode, _one_weight(pair, right))
    words = np.arange(2**left.bits, dtype=np.uint8)[:, None]
    tables = pair.activation_table, pair.weight_table
    sums = sum(family.sums(mode, tables, words, tiles, part) for part in pair.parts)
    return sums[:, :, 0], product(left, right).table << pair.unit_shift


def _one_weight(pair: families.Pair, weight: object) -> np.ndarray:
    codes = np.zeros((1, pair.planes, 2**weight.bits, pair.lanes), np.int64)
    codes[0, 0, :, 0] = np.arange(2**weight.bits)
    return codes


@pytest.mark.parametrize(
    "activation, weight",
    [
        ("lp8_1_3", "lp8_1_3"),
        ("lp8_0_7", "lp8_0_7"),
        ("lp8_1_2", "lp4_0_3"),
        ("lp8_1_3", "lp2_0_1"),
        ("lp4_1_3", "lp4_1_2"),
        ("lp7_0_4", "lp5_0_2"),
        ("lp4_1_2@-0.25", "lp3_0_2@1.5"),
    ],
)
def test_logarithms(activation: str, weight: str) -> None:
    found, expected = _all_pairs(LPA, activation, weight)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "activation, weight",
    [
        ("int8", "int8"),
        ("uint8", "int4"),
        ("uint4", "int8"),
        ("int4", "e2m1"),
        ("e1m2", "e2m1"),
        ("uint4", "odd4"),
        ("odd8", "int8"),
        ("uint8z128", "int4"),
        ("int2", "int4"),
        ("uint4", "int2"),
        ("uint3", "int5"),
    ],
)
def test_integers(activation: str, weight: str) -> None:
    found, expected = _all_pairs(INTEGERS, activation, weight)
    np.testing.assert_array_equal(found, expected)


def test_products_of_a_slot_are_summed() -> None:
    """Four activations of two bits against four weights of two bits are one slot."""
    family = families.of(INTEGERS)
    pair = family.pair(INTEGERS, parse("uint2"), parse("int2"))
    assert (pair.planes, INTEGERS.modes[pair.mode].name) == (4, "W2A2")
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 4, (5, 8, 4)), rng.integers(0, 4, (8, 4, 3, 1))
    words = (left << np.arange(4) * 2).sum(axis=2).astype(np.uint8)
    tiles = family.slots(INTEGERS.modes[pair.mode], right)
    found = family.sums(
        INTEGERS.modes[pair.mode], (pair.activation_table, pair.weight_table), words, tiles, (0, 0)
    )
    signed = right[..., 0] - 4 * (right[..., 0] >> 1)
    np.testing.assert_array_equal(found[:, :, 0], np.einsum("nrp,rpc->nc", left, signed))


@pytest.mark.parametrize(
    "weight, bits", [("lp8_1_7", 44), ("lp8_2_4", 51), ("lp8_3_1", 35), ("lp8_2_7", 68), ("lp4_2_3", 36)]
)
def test_formats_are_taken_as_far_as_their_codes_occur(weight: str, bits: int) -> None:
    """Products as wide as a sum of 48 bits, the others of the format as zeros."""
    right = parse(weight)
    table = product(parse("lp8_0_7"), right).table
    largest = np.abs(table).max(axis=0)
    assert int(largest.max()).bit_length() == bits
    used = np.flatnonzero([int(one).bit_length() <= 47 for one in largest])
    found, expected = _all_pairs(LPA, "lp8_0_7", weight, used)
    np.testing.assert_array_equal(found[:, used], expected[:, used])
    others = np.setdiff1d(right.codes, used)
    assert (len(others) > 0) == (bits > 47)
    if len(others):
        assert not found[:, others].any()
        with pytest.raises(UserError, match=rf"with products of at most 47 bits.* with {bits}; use formats"):
            families.of(LPA).pair(LPA, parse("lp8_0_7"), right, used=np.append(used, right.codes))


def test_lanes_are_kept_apart() -> None:
    family = families.of(LPA)
    pair = family.pair(LPA, parse("lp8_1_3"), parse("lp4_0_3"))
    mode = LPA.modes[pair.mode]
    rng = np.random.default_rng(1)
    words, codes = rng.integers(0, 256, (6, 4), np.uint8), rng.integers(0, 16, (4, 1, 3, 2))
    tables = pair.activation_table, pair.weight_table
    found = family.sums(mode, tables, words, family.slots(mode, codes), (0, 0))
    terms = product(parse("lp8_1_3"), parse("lp4_0_3")).table[words[:, :, None, None], codes[None, :, 0]]
    np.testing.assert_array_equal(found, terms.sum(axis=1))


@pytest.mark.parametrize(
    "array, activation, weight, part",
    [
        (LPA, "int8", "int8", "Logarithmic Posits were expected"),
        (LPA, "lp8_2_7", "lp8_2_7", "shorter regime"),
        (INTEGERS, "e4m3", "int4", "integers of 2, 4 or 8 bits"),
        (INTEGERS, "lp4_1_2", "int4", "integers of 2, 4 or 8 bits"),
    ],
    ids=["integers", "wide", "minifloats", "logarithms"],
)
def test_what_is_not_held_is_refused(array: machine.Machine, activation: str, weight: str, part: str) -> None:
    with pytest.raises(UserError, match=part):
        families.of(array).pair(array, parse(activation), parse(weight))


def test_a_family_without_blocks_in_a_language_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(families.of(INTEGERS)), "built", frozenset({"hls"}))
    families.check_built(INTEGERS, "hls")
    with pytest.raises(UserError, match="has SystemVerilog was expected.* has none; take the engine int8x8"):
        families.check_built(INTEGERS, "rtl")
