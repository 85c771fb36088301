"""Requantisers as a multiplication, an addition and a rounding, proven at every step.

A requantiser of a channel is a staircase. Where its values are all integers of so many significant bits in a
range (those of integers, minifloats), a line through its steps, rounded to the nearest of them, may be the
same staircase. Rounded arithmetic is monotone, and so is the definition: if both are equal on both sides of
every step and at both ends, they are equal everywhere. That is compared with the kernel itself, so no bound
of a rounding error is needed; where it is not so, thresholds are searched.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pyqkit.emulate.operands import LANES
from pyqkit.graph.ops.requantise import Rescale

_HALVINGS = 24  # of the range of a line's slope
_SHORT = (1, 8, 16)  # significant bits of slopes that are tried too
_MOST_BITS = 12  # of significands that are tried
STEPS = 1023  # of a staircase, as thresholds have them


class Structure(ctypes.Structure):
    """`Affine` of kernels/affine.hpp."""

    _fields_ = [
        ("slope", ctypes.c_void_p),
        ("intercept", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("bits", "significant", "low", "high", "out_bytes")),
    ]


@dataclass(frozen=True, eq=False)
class Staircase:
    """A monotone function of integers of each channel.

    Attributes
    ----------
    thresholds : numpy.ndarray of int64, shape (channels, steps)
        Rows do not decrease; a sum has passed those that are not above it.
    falling : numpy.ndarray of bool, shape (channels,)
        Whether values are passed from the end.
    values : numpy.ndarray of int64, shape (steps + 1,)
        Increasing.
    low, high : int
        Range of the sums.
    """

    thresholds: np.ndarray
    falling: np.ndarray
    values: np.ndarray
    low: int
    high: int

    @property
    def significant(self) -> int | None:
        """Significant bits of the integers that the values are all of in their range; 0 for any; or None."""
        low, high = int(self.values[0]), int(self.values[-1])
        if high - low == len(self.values) - 1:
            return 0
        for bits in range(1, _MOST_BITS + 1):
            if np.array_equal(self.values, _short_integers(low, high, bits)):
                return bits
        return None

    def lines(self) -> tuple[np.ndarray, np.ndarray]:
        """Slope and intercept for each channel: half a value is reached half a unit before its threshold."""
        between = (self.values[1:] + self.values[:-1]) / 2
        limits = np.where(self.falling[:, None], between[::-1], between)
        seen = (self.low < self.thresholds) & (self.thresholds <= self.high)
        # from one of them on: floats hold the halves of large sums badly
        start = self.thresholds[np.arange(len(seen)), seen.argmax(axis=1)]
        slope, place = _through(limits, self.thresholds - start[:, None] - 0.5, seen)
        with np.errstate(invalid="ignore"):
            intercept = -(place + start) * slope
        for channel in np.flatnonzero(seen.sum(axis=1) < 2):
            slope[channel], intercept[channel] = self._flat(int(channel), limits[channel], seen[channel])
        return slope, intercept

    def _flat(self, channel: int, limits: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
        """Of a channel with one step in the range, or none."""
        passed = int((self.thresholds[channel] <= self.low).sum())
        if not seen.any():
            return 0.0, float(self.values[len(limits) - passed if self.falling[channel] else passed])
        (step,) = np.flatnonzero(seen)
        place = len(limits) - 1 - step if self.falling[channel] else step
        rise = float(self.values[place + 1] - self.values[place]) / (4 * (self.high - self.low + 1))
        slope = -rise if self.falling[channel] else rise
        return slope, float(limits[step] - slope * (self.thresholds[channel, step] - 0.5))

    def probes(self) -> np.ndarray:
        """Sums that decide: both sides of every threshold, and both ends; (sums, channels)."""
        rows = self.thresholds.T
        ends = np.array([[self.low], [self.high]], np.int64) * np.ones(rows.shape[1], np.int64)
        return np.clip(np.concatenate([ends, rows - 1, rows]), self.low, self.high)

    def is_of(self, results: np.ndarray) -> bool:
        """Whether a monotone function with these results at the probes has its steps where they are here."""
        count = len(self.values) - 1
        before, behind = results[2 : 2 + count], results[2 + count :]
        first, last = (  # values before and behind each threshold
            np.where(self.falling, self.values[::-1][side, None], self.values[side, None])
            for side in (slice(0, -1), slice(1, None))
        )
        rows = self.thresholds.T
        up, down = self.low < rows, rows <= self.high  # thresholds that some sum has not reached, or has
        sign = np.where(self.falling, -1, 1)
        right = np.where(up, sign * (before - first) <= 0, True) & np.where(
            down, sign * (behind - last) >= 0, True
        )
        return bool(right.all())


def rescaled(op: Rescale, low: int, high: int) -> Staircase | None:
    """The staircase of a rescale on sums of a range; None if it has too many steps."""
    ends = op.rounded(np.array([[low], [high]], np.int64) * np.ones_like(op.multiplier))
    least, most = int(ends.min()), int(ends.max())
    if not least < most <= least + STEPS:
        return None
    results = np.arange(least + 1, most + 1)
    # the scaled sums that reach each result; a tie reaches the even one
    reaching = ((2 * results - 1) << (op.shift - 1)) + (results & 1) if op.shift else results
    factor, missing = op.multiplier[:, None], reaching - op.offset[:, None]
    falling, constant = op.multiplier < 0, op.multiplier == 0
    divisor = np.where(constant[:, None], 1, factor)
    rising = np.where(constant[:, None], np.where(missing <= 0, low, high + 1), -(-missing // divisor))
    places = np.where(falling[:, None], (missing // divisor + 1)[:, ::-1], rising)
    return Staircase(np.clip(places, low, high + 1), falling, np.arange(least, most + 1), low, high)


def _short_integers(low: int, high: int, bits: int) -> np.ndarray:
    """All integers of a range with at most so many significant bits."""
    significands = np.arange(2**bits, dtype=np.int64)
    most = max(abs(low), abs(high)).bit_length()
    scaled = np.unique(np.concatenate([significands << shift for shift in range(max(1, most - bits + 1))]))
    both = np.concatenate([-scaled[:0:-1], scaled])
    return both[(low <= both) & (both <= high)]


def _through(limits: np.ndarray, places: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The line of each channel that is nearest to its steps: its slope, and where it is zero.

    The largest distance along the sums is least; it is a convex function of the slope.
    """
    channels = np.arange(len(seen))
    first, last = seen.argmax(axis=1), seen.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)
    span = limits[channels, last] - limits[channels, first]
    span = np.where(span == 0, 1.0, span)
    middle = (places[channels, last] - places[channels, first]) / span

    def spread(slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rest = places - slope[:, None] * limits
        return (
            rest.max(axis=1, where=seen, initial=-np.inf),
            rest.min(axis=1, where=seen, initial=np.inf),
        )

    sign = np.sign(span)
    least = 0.1 / np.abs(span)
    left = np.maximum(sign * middle - 1 / np.abs(span), least)
    right = np.maximum(sign * middle + 1 / np.abs(span), least)
    for _ in range(_HALVINGS):
        third = (right - left) / 3
        with np.errstate(invalid="ignore"):
            lower, upper = (np.subtract(*spread(sign * s)) for s in (left + third, right - third))
        smaller = lower < upper
        left, right = np.where(smaller, left, left + third), np.where(smaller, right - third, right)
    best = 2 / (sign * (left + right))
    # Where sums fall on ties, only the line of short numbers that they come from will do.
    tried = np.stack([best, *(_shortened(best, bits) for bits in _SHORT)])
    with np.errstate(invalid="ignore"):
        most, least = (np.stack(side) for side in zip(*(spread(1 / slope) for slope in tried)))
        chosen = (most - least).argmin(axis=0)
        slope = tried[chosen, channels]
        return slope, (most + least)[chosen, channels] / 2


def _shortened(x: np.ndarray, bits: int) -> np.ndarray:
    """Numbers rounded to so many significant bits."""
    fraction, exponent = np.frexp(x)
    return np.ldexp(np.rint(np.ldexp(fraction, bits)), exponent - bits)


@dataclass(frozen=True, eq=False)
class Affine:
    """A proven requantiser; `address` is that of the structure that kernels read."""

    structure: Structure
    arrays: tuple[np.ndarray, np.ndarray]

    @property
    def address(self) -> int:
        return ctypes.addressof(self.structure)


def affine(
    stairs: Staircase,
    out_type: np.dtype,
    kinds: tuple[type, ...],
    defined: Callable[[np.ndarray], np.ndarray],
    run: Callable[[np.ndarray, Affine], np.ndarray],
) -> Affine | None:
    """The staircase by arithmetic, or None if none is proven.

    Parameters
    ----------
    stairs : Staircase
    out_type : numpy.dtype
        Of the kernel's result.
    kinds : tuple of type
        Floating-point types to try.
    defined, run : callable
        The definition, and the kernel, for sums of shape (..., channels).
    """
    significant = stairs.significant
    if significant is None or not 0 < len(stairs.values) - 1 <= STEPS:
        return None
    probes = stairs.probes()
    expected = defined(probes)
    if not stairs.is_of(expected):
        return None
    lines = stairs.lines()
    if not np.isfinite(lines).all():
        return None
    for kind in kinds:
        found = _structure(lines, kind, significant, stairs.values, out_type)
        if np.array_equal(run(probes, found), expected):
            return found
    return None


def _structure(
    lines: tuple[np.ndarray, np.ndarray], kind: type, significant: int, values: np.ndarray, out_type: np.dtype
) -> Affine:
    channels = len(lines[0])
    padded: np.ndarray = np.zeros((2, -(-channels // LANES) * LANES), kind)
    padded[:, :channels] = lines
    slope, intercept = padded
    structure = Structure(
        slope=slope.ctypes.data,
        intercept=intercept.ctypes.data,
        bits=8 * slope.itemsize,
        significant=significant,
        low=int(values[0]),
        high=int(values[-1]),
        out_bytes=out_type.itemsize,
    )
    return Affine(structure, (slope, intercept))
