"""Times of words with and without an entry a word."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.rtl.timing import Bursts, Every, Exchange, Narrow, Window, flat, in_turn


def starts(count: int, apart: int, dtype: type) -> np.ndarray:
    return in_turn(np.random.default_rng(count).integers(0, 40, count).cumsum().astype(dtype), apart)


@pytest.mark.parametrize("dtype", [np.int32, np.int64], ids=["int32", "int64"])
@pytest.mark.parametrize("fold", [1, 2, 3, 6, 4, 12])
def test_bursts_are_read_as_their_words(fold: int, dtype: type) -> None:
    given = Bursts(starts(20, 6, dtype), 6)
    block = Every(120, 5, fold)
    (taken,), left = block.schedule([given])
    (expected,), result = block.schedule([given.flat()])
    np.testing.assert_array_equal(flat(taken), expected)
    np.testing.assert_array_equal(flat(left), result)
    assert flat(left).dtype == dtype


@pytest.mark.parametrize(
    "block",
    [Narrow(4, 3), Exchange(2, 2, 3), Window(2, 3, 2, np.array([1, 2]), np.array([1, 2]), 4)],
    ids=["narrow", "exchange", "window"],
)
def test_words_of_a_burst_do_not_overlap(block: Narrow | Exchange | Window) -> None:
    _, left = block.schedule([starts(24, 1, np.int32)])
    assert isinstance(left, Bursts)
    times = left.flat()
    assert times.dtype == np.int32 and (np.diff(times) >= 1).all()
