"""The search with a head start against numpy's, at every limit, beside it, and at the ends of float32."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyqkit.formats import parse
from pyqkit.formats.base import Boundary
from pyqkit.formats.search import _line, reached

finite = st.floats(width=32, allow_nan=False)


def around(limits: np.ndarray) -> np.ndarray:
    ends = np.array([0.0, -0.0, np.inf, -np.inf, 1e-45, -1e-45, 3.4e38, -3.4e38], np.float32)
    with np.errstate(over="ignore"):
        below, above = np.nextafter(limits, np.float32(-np.inf)), np.nextafter(limits, np.float32(np.inf))
    return np.concatenate([limits, below, above, ends])


@pytest.mark.parametrize("name", ["int8", "uint8", "e4m3", "e5m2", "e2m1", "lp8_1_3", "uint1"])
@pytest.mark.parametrize("scale", [1.0, 0.0173, 2.0**-7, 2.0**-130, 2.0**120])
def test_limits_of_formats(name: str, scale: float) -> None:
    fmt = parse(name)
    with np.errstate(over="ignore"):
        limits = np.array(
            [np.float32(float(b.position) * scale) for b in fmt.boundaries("nearest")], np.float32
        )
    x = np.concatenate(
        [around(limits), np.random.default_rng(0).normal(0, fmt.maximum * scale, 5000).astype(np.float32)]
    )
    np.testing.assert_array_equal(reached(limits, x), np.searchsorted(limits, x, side="right"))


@given(st.lists(finite, min_size=1, max_size=40), st.lists(finite, min_size=1, max_size=40))
def test_any_limits(limits: list[float], x: list[float]) -> None:
    ordered = np.sort(np.array(limits, np.float32))
    points = np.concatenate([np.array(x, np.float32), around(ordered)])
    np.testing.assert_array_equal(reached(ordered, points), np.searchsorted(ordered, points, side="right"))


@pytest.mark.parametrize(
    ("name", "scale", "equal"),
    [("int8", 2.0**-7, True), ("uint8", 1.0, True), ("int4narrow", 8.0, True), ("e4m3", 1.0, False)],
)
def test_arithmetic_is_taken_where_it_is_equal(name: str, scale: float, equal: bool) -> None:
    boundaries = [
        Boundary(b.position * Fraction(scale), b.inclusive) for b in parse(name).boundaries("nearest")
    ]
    limits = np.array([b.smallest(np.float32) for b in boundaries])
    assert (_line(limits.tobytes()) is not None) == equal
    moved = limits.copy()
    moved[3] = np.nextafter(moved[3], np.float32(np.inf))
    assert _line(moved.tobytes()) is None
    points = np.concatenate([around(limits), around(moved)])
    np.testing.assert_array_equal(reached(limits, points), np.searchsorted(limits, points, side="right"))
    np.testing.assert_array_equal(reached(moved, points), np.searchsorted(moved, points, side="right"))
