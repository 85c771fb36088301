"""Rounding to the values of a quantiser: the exact value decides, and what 106 bits cannot decide is refused.

A `Grid` lists what a quantiser can give, in rising order, and where rounding moves from one value to the
next. Both follow from the values and the rounding mode alone (QONNX: the modes of ``Quant``; docs/formats.md:
ties of the other formats).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from pyqkit.formats import Integer, Minifloat, NumberFormat
from pyqkit.reference.doubledouble import DoubleDouble

MODES = ("ROUND", "HALF_EVEN", "HALF_UP", "HALF_DOWN", "FLOOR", "CEIL", "UP", "DOWN", "ROUND_TO_ZERO")
_KEPT = 64  # grids: a network has few, and many nodes of each
_FLOAT64 = 2.0**-47  # relative: more than a float64 quotient, or a boundary rounded to float64, is off


@dataclass(frozen=True, eq=False)
class Grid:
    """What a quantiser can give.

    Attributes
    ----------
    levels : numpy.ndarray of float64
        Values in rising order, in units of the quantiser's step, exactly.
    contents : numpy.ndarray of int
        What a `Quantised` tensor holds for each of them.
    tie_rises : numpy.ndarray of bool, one shorter
        Whether half way between a level and the next goes to the next (modes ROUND and HALF_EVEN).
    zero : float
        The level that the modes towards and away from zero mean: QONNX rounds before it subtracts a zero
        point.
    mode : str
        One of `MODES`.
    """

    levels: np.ndarray
    contents: np.ndarray
    tie_rises: np.ndarray
    zero: float = 0.0
    mode: str = "ROUND"

    @classmethod
    def of_integers(cls, low: int, high: int, zero_point: int, mode: str) -> Grid:
        """Integers from `low` to `high`, less the zero point.

        A tie goes to the even one before the subtraction.
        """
        integers = np.arange(low, high + 1, dtype=np.int64)
        values = integers - zero_point
        return cls(values.astype(np.float64), values, integers[1:] % 2 == 0, -float(zero_point), mode)

    @classmethod
    def near(cls, quotients: np.ndarray, low: int, high: int, zero_point: int, mode: str) -> Grid:
        """Integers as `of_integers` has, but those alone that numbers near `quotients` can be rounded to.

        There are too many of 32 bits to list. `quotients` are off by less than 1, and numbers only.
        """
        centre = np.rint(np.clip(quotients + zero_point, low, high)).astype(np.int64).ravel()
        every = np.unique(centre[:, None] + np.arange(-2, 3))
        integers = np.unique(np.clip(every, low, high))
        values = integers - zero_point
        return cls(values.astype(np.float64), values, integers[1:] % 2 == 0, -float(zero_point), mode)

    @classmethod
    @lru_cache(maxsize=_KEPT)
    def of_floats(cls, magnitudes: tuple[int, ...], signed: bool, mode: str) -> Grid:
        """Rising magnitudes from 0 on, in units of the smallest.

        A tie goes to the even multiple of the gap there.

        That is half to even on the significand. Without significand bits the larger neighbour is the even
        multiple, but between zero and the smallest number zero is.
        """
        positive = np.array(magnitudes, dtype=np.int64)
        grows = positive[1:] // np.diff(positive) % 2 == 0
        levels = np.concatenate([-positive[:0:-1], positive]) if signed else positive
        rises = np.concatenate([~grows[::-1], grows]) if signed else grows
        return cls(levels.astype(np.float64), levels, rises, 0.0, mode)

    @classmethod
    @lru_cache(maxsize=_KEPT)
    def of_format(cls, fmt: NumberFormat, mode: str = "ROUND") -> Grid:
        """All values of a format; ties go to the even code, those of minifloats as in `of_floats`."""
        if isinstance(fmt, Integer):
            return cls.of_integers(fmt.low + fmt.zero_point, fmt.high + fmt.zero_point, fmt.zero_point, mode)
        if isinstance(fmt, Minifloat):
            magnitudes = {abs(fmt.integer(code) or 0) for code in range(2**fmt.bits)}
            return cls.of_floats(tuple(sorted(magnitudes)), fmt.signed, mode)
        read = fmt.exact if fmt.is_logarithmic else fmt.integer
        codes: dict[float, int] = {}
        for code in range(2**fmt.bits):
            value = read(code)
            if value is not None:
                codes.setdefault(float(value), code)
        levels = np.array(sorted(codes))
        ordered = np.array([codes[level] for level in levels])
        contents = ordered if fmt.is_logarithmic else levels.astype(np.int64)
        return cls(levels, contents, ordered[1:] % 2 == 0, 0.0, mode)

    @cached_property
    def boundaries(self) -> DoubleDouble:
        """Where rounding moves from a level to the next, in units of the step."""
        lower, upper = self.levels[:-1], self.levels[1:]
        if "HALF" in self.mode or self.mode == "ROUND":
            return DoubleDouble.of(lower / 2) + DoubleDouble.of(upper / 2)
        return DoubleDouble.of(np.where(self._takes_lower, upper, lower))

    @cached_property
    def inclusive(self) -> np.ndarray:
        """Whether a value on a boundary goes up."""
        if self.mode in ("ROUND", "HALF_EVEN"):
            return self.tie_rises
        if self.mode in ("HALF_UP", "HALF_DOWN"):  # a tie goes away from zero, or towards it
            return (self.levels[1:] > self.zero) == (self.mode == "HALF_UP")
        return self._takes_lower

    @property
    def _takes_lower(self) -> np.ndarray:
        """Whether what lies between a level and the next becomes the lower one (directed modes)."""
        above = self.levels[:-1] >= self.zero
        return {
            "FLOOR": np.ones_like(above),
            "CEIL": np.zeros_like(above),
            "UP": ~above,
            "DOWN": above,
            "ROUND_TO_ZERO": above,
        }[self.mode]


@dataclass(frozen=True, eq=False)
class Decision:
    """Levels that values were rounded to.

    Attributes
    ----------
    index : numpy.ndarray of int
        Place among the levels of the grid.
    ties : int
        Values that lay exactly on a boundary.
    undecided : int
        Values nearer to a boundary than the bound of their error: these may be one level off.
    """

    index: np.ndarray
    ties: int
    undecided: int


def decide(x: DoubleDouble, step: DoubleDouble, grid: Grid) -> Decision:
    """Round ``x / step`` to the levels of a grid, without dividing where it matters.

    `step` is positive and broadcasts to `x`. Quotients in float64 decide all but what they find near a
    boundary.
    """
    boundaries = grid.boundaries
    if not x.shape:  # one number, in which numpy finds no places
        one = decide(x.map(np.atleast_1d), step, grid)
        return replace(one, index=one.index.reshape(()))
    if not boundaries.high.size:
        return Decision(np.zeros(x.shape, np.int64), 0, 0)
    unit = np.broadcast_to(step.high, x.shape)
    with np.errstate(invalid="ignore"):  # infinities saturate: they are near no boundary
        quotient = x.high / unit
        index = np.searchsorted(boundaries.high, quotient, side="right")
        margin = abs(quotient) * _FLOAT64 + (x.error + abs(x.low)) / unit
        fences = np.concatenate([[-np.inf], boundaries.high, [np.inf]])
        close = (quotient - fences[index] <= margin) | (fences[index + 1] - quotient <= margin)
    near = np.nonzero(close & np.isfinite(quotient))
    value, unit_there = _picked(x, x.shape, near), _picked(step, x.shape, near)
    ties = undecided = np.zeros(len(value.high), bool)
    first = index[near] - 2  # two boundaries can lie at one place: around zero in mode UP
    found = first.copy()
    for place in (first, first + 1, first + 2):
        inside = (place >= 0) & (place < len(boundaries.high))
        held = np.where(inside, place, 0)
        end = boundaries.map(lambda a, at=held: a[at])  # type: ignore[misc]
        gap = value - end * unit_there
        on = inside & (gap.high == 0) & (gap.error == 0)
        ties, undecided = ties | on, undecided | (inside & ~on & (abs(gap.high) <= gap.error))
        found += np.where(inside, (gap.high > 0) | (on & grid.inclusive[held]), place < 0)
    index[near] = found
    return Decision(index, int(ties.sum()), int(undecided.sum()))


def _picked(x: DoubleDouble, shape: tuple[int, ...], at: tuple[np.ndarray, ...]) -> DoubleDouble:
    return x.map(lambda a: np.broadcast_to(a, shape)[at])
