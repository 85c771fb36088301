"""Frames on their way in: arrays of another layout, integers, and numbers that an input does not hold."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pyqkit.formats import FormatError, parse
from pyqkit.formats.input_frames import InputRange, encode_input
from pyqkit.formats.port import End, Port

PIXELS = np.arange(24).reshape(2, 4, 3).transpose(2, 0, 1)  # places of (3, 2, 4) in (2, 4, 3)


def port(name: str, scale: float = 1.0, order: np.ndarray = PIXELS, declared: str = "") -> tuple[Port, End]:
    fmt = parse(name)
    limits = [
        type(b)(b.position * Fraction(scale), b.inclusive).smallest(np.float32) for b in fmt.boundaries()
    ]
    own = np.array([scale * float(fmt.unit)]), np.zeros(1), np.array(limits, np.float32)
    return Port("x", "x", order.shape, order, *own, declared=declared), End("x", (2, 4, 3), fmt, 3)


@pytest.mark.parametrize(
    ("shape", "order", "remedy"),
    [
        ((5, 2, 4, 3), PIXELS, r"channels look last, .* pass x.transpose\(0, 3, 1, 2\)"),
        ((5, 3, 2, 4), np.arange(24).reshape(2, 4, 3), r"channels look first, .* x.transpose\(0, 2, 3, 1\)"),
        ((3, 2, 4), PIXELS, r"which one frame alone does as x\[None\]"),
        ((5, 24), PIXELS, r"pass x.reshape\(-1, 3, 2, 4\)"),
        ((5, 3, 2, 5), PIXELS, "bring the frames to that shape"),
        ((5, 24, 7), PIXELS, "put the frames first"),
    ],
)
def test_shapes_that_do_not_fit(shape: tuple[int, ...], order: np.ndarray, remedy: str) -> None:
    with pytest.raises(FormatError, match=remedy):
        encode_input(*port("int8", order=order), np.zeros(shape))


def test_remedies_fit() -> None:
    x = np.arange(24, dtype=np.uint8).reshape(1, 3, 2, 4)
    ends = port("uint8")
    expected = encode_input(*ends, x)
    assert_array_equal(expected[0], x[0].transpose(1, 2, 0))
    assert_array_equal(encode_input(*ends, x.transpose(0, 2, 3, 1).transpose(0, 3, 1, 2)), expected)
    last = port("uint8", order=np.arange(24).reshape(2, 4, 3))
    assert_array_equal(encode_input(*last, x.transpose(0, 2, 3, 1)), expected)


@pytest.mark.parametrize("name", ["uint8", "int8", "uint4", "int16", "e4m3", "odd1"])
@pytest.mark.parametrize("kind", ["u1", "i1", "<i2", ">i2", "u2"])
def test_integers_are_numbers(name: str, kind: str) -> None:
    ends = port(name, 2.0)
    x = np.random.default_rng(0).integers(-(2**15), 2**15, (40, 3, 2, 4)).astype(kind)
    assert_array_equal(encode_input(*ends, x), encode_input(*ends, x.astype(np.float32)))


def test_codes_go_in_as_they_are() -> None:
    x = np.random.default_rng(0).integers(0, 256, (4, 2, 4, 3)).astype(np.uint8)
    codes = encode_input(*port("uint8", order=np.arange(24).reshape(2, 4, 3)), x)
    assert np.shares_memory(codes, x)


def test_what_saturates() -> None:
    x = np.zeros((2, 3, 2, 4), np.float32)
    x[0, 0, 0] = [-5, -4.2, 3.9, np.inf]
    seen = InputRange(*port("int8", 1 / 32)).look(x)
    assert (seen.saturated, seen.rounded, seen.values) == (3, 0, 48)
    assert (seen.least, seen.most, seen.low, seen.high) == (-4.0, 127 / 32, -5.0, np.inf)
    assert seen.to_json()["high"] is None and seen.is_strange


def test_small_shares_are_not_strange() -> None:
    x = np.zeros((2, 3, 2, 4), np.float32)
    x[0, 0, 0, 0] = 9
    assert not InputRange(*port("int8", 1 / 32)).look(x).is_strange
    declared = InputRange(*port("int8", 1 / 32, declared="int8:1/32")).look(x)
    assert declared.is_strange and declared.saturated == 1


def test_a_calibration_may_give_up_a_step() -> None:
    """Powers of two hold pixels from 0 to 1 as 0 to 15/16."""
    x = np.full((1, 3, 2, 4), 1.0)
    assert InputRange(*port("uint4", 1 / 16)).look(x).saturated == 0
    assert InputRange(*port("uint4", 1 / 16)).look(x + 0.01).saturated == 24
    assert InputRange(*port("uint4", 1 / 16, declared="uint4:1/16")).look(x).saturated == 24


def test_signs_hold_any_number_unless_they_were_declared() -> None:
    x = np.full((1, 3, 2, 4), 100.0)
    assert InputRange(*port("odd1")).look(x).saturated == 0
    assert InputRange(*port("odd1", declared="odd1")).look(x).saturated == 24
