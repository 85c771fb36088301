"""Requantisers as the post-processor does them: a multiplier and an offset a channel, boundaries a layer.

The graph's requantisers have thresholds for every channel. Here a search finds whole numbers m, o and b with

    x >= t[c, i]  if and only if  x * m[c] + o[c] >= b[i]        for all x that can occur

and proves it: given the multipliers, these are inequalities between differences of offsets and boundaries,
which are solved exactly. Multipliers are tried from the smallest on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pyqkit.graph.ops.requantise import Rescale, Threshold

_ROUNDS = 64  # of the search for offsets and boundaries
_LARGEST = 2**62
_FLOAT_ERROR = 1e-9  # of quotients, relative; far above what float64 does
MOST_BOUNDARIES = 255


@dataclass(frozen=True, eq=False)
class Rising:
    """A requantiser whose results step forward as a signed input rises.

    Attributes
    ----------
    sign : numpy.ndarray, int64, shape (channels,)
        1 or -1: what the input is multiplied by.
    thresholds : numpy.ndarray, int64, shape (channels, steps)
        Of the signed input; rows do not decrease. Clipped to what can occur, and 1 more for never.
    low, high : numpy.ndarray, int64, shape (channels,)
        Of the signed input.
    codes : numpy.ndarray, int64, shape (steps + 1,)
    positions : numpy.ndarray or None, float64, shape (steps,)
        Where steps lie in one unit for all channels, as far as it is known.
    first : int
        Steps before these, which all channels have always passed.
    """

    sign: np.ndarray
    thresholds: np.ndarray
    low: np.ndarray
    high: np.ndarray
    codes: np.ndarray
    positions: np.ndarray | None
    first: int


@dataclass(frozen=True, eq=False)
class Scaling:
    """Multipliers, offsets and boundaries that are equal to thresholds.

    Attributes
    ----------
    multipliers, offsets : numpy.ndarray, int64, shape (channels,)
    boundaries : numpy.ndarray, int64, shape (steps,)
        Rising.
    codes : numpy.ndarray, int64, shape (steps + 1,)
    """

    multipliers: np.ndarray
    offsets: np.ndarray
    boundaries: np.ndarray
    codes: np.ndarray


def rising(op: Threshold | Rescale, low: int, high: int) -> Rising | None:
    """A requantiser of the graph for inputs from `low` to `high`; None if each channel has its own codes."""
    if isinstance(op, Rescale):
        return _of_rescale(op, low, high)
    if len(op.codes) != 1:
        return None
    table = np.clip(op.thresholds, low, high + 1)
    turned = 1 - table[:, ::-1]
    values = np.where(op.falling[:, None], turned, table)
    sign = np.where(op.falling, -1, 1)
    positions = None
    if op.places is None:
        positions = np.array([float(b.position) for b in op.format.boundaries()])
    return _rising(sign, values, (low, high), op.codes[0].astype(np.int64), positions)


def _of_rescale(op: Rescale, low: int, high: int) -> Rising | None:
    integers = range(op.format.low + 1, op.format.high + 1)  # each with the step to it
    if len(integers) > MOST_BOUNDARIES:
        return None
    sign = np.where(op.multiplier < 0, -1, 1)
    rows = [
        [_least(op, k, abs(m), o, *sorted((low * s, high * s))) for k in integers]
        for m, o, s in zip(op.multiplier.tolist(), op.offset.tolist(), sign.tolist())
    ]
    codes = op.format.from_integers(np.arange(op.format.low, op.format.high + 1)).astype(np.int64)
    return _rising(sign, np.array(rows, np.int64), (low, high), codes, np.array(integers, float))


def _least(op: Rescale, k: int, m: int, o: int, low: int, high: int) -> int:
    """The least x from `low` to `high` whose result is `k` or more, and 1 more if there is none."""
    if op.relu and k <= 0:
        return low
    bound = ((2 * k - 1) << op.shift >> 1) + (k & 1) if op.shift else k  # a tie goes to the even result
    if m == 0:
        return low if o >= bound else high + 1
    return min(max(-((o - bound) // m), low), high + 1)


def _rising(
    sign: np.ndarray,
    thresholds: np.ndarray,
    ends: tuple[int, int],
    codes: np.ndarray,
    positions: np.ndarray | None,
) -> Rising:
    """Drop the steps that every channel has always passed, and those that none ever passes."""
    low, high = np.where(sign > 0, ends[0], -ends[1]), np.where(sign > 0, ends[1], -ends[0])
    always = int((thresholds <= low[:, None]).all(axis=0).sum())
    never = int((thresholds > high[:, None]).all(axis=0).sum())
    kept = slice(always, max(always, thresholds.shape[1] - never))
    steps = thresholds[:, kept]
    places = None if positions is None or len(positions) != thresholds.shape[1] else positions[kept]
    return Rising(sign, steps, low, high, codes[always : always + steps.shape[1] + 1], places, always)


def scaling(function: Rising, multiplier_bits: int, offset_bits: int) -> Scaling | None:
    """The smallest multipliers, with offsets and boundaries, that are equal to the thresholds; or None."""
    if function.thresholds.shape[1] > MOST_BOUNDARIES:
        return None
    limit = min(2 ** (offset_bits - 1), _LARGEST)
    reach = int(max(abs(function.low).max(), abs(function.high).max(), 1)) + 1
    for multipliers in _candidates(function, multiplier_bits):
        if int(multipliers.max()) * reach >= limit // 4:
            break
        found = _solved(function, multipliers)
        if found is None or max(int(abs(part).max(initial=0)) for part in found) >= limit // 4:
            continue
        proposed = Scaling(multipliers * function.sign, *found, function.codes)
        if holds(function, proposed):
            return proposed
    return None


def _candidates(function: Rising, multiplier_bits: int) -> Iterator[np.ndarray]:
    """Multipliers to try, ever larger."""
    channels = len(function.sign)
    yield np.ones(channels, np.int64)
    least, most = _ranges(function, positions(function))
    middle = _middle(least, most)
    largest = middle[np.isfinite(most)].max(initial=0.0) or 1.0
    alike = least.max() < most.min()
    for power in range(1, 4 * multiplier_bits):
        scale = 2.0 ** (power / 2)
        if alike:
            multipliers = np.full(channels, int(scale), np.int64)
        else:
            whole = np.rint(scale * largest / middle)
            multipliers = np.clip(whole, 1, 2.0 ** (multiplier_bits - 1)).astype(np.int64)
        if int(multipliers.max()) >= 2 ** (multiplier_bits - 1):
            return
        yield multipliers


def positions(function: Rising) -> np.ndarray:
    """Where steps lie, from the format or from the channel that tells most."""
    if function.positions is not None:
        return function.positions
    inside = (function.thresholds > function.low[:, None]) & (function.thresholds <= function.high[:, None])
    row = function.thresholds[int(inside.sum(axis=1).argmax())].astype(np.float64)
    return row + np.arange(len(row)) * 1e-9  # no two alike


def _ranges(function: Rising, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each channel the least and the most input that lies between positions one unit apart."""
    least, most = np.zeros(len(function.sign)), np.full(len(function.sign), np.inf)
    span = positions[None, :] - positions[:, None]
    pairs = span > 0
    for channel, (row, low, high) in enumerate(zip(function.thresholds, function.low, function.high)):
        always, never = row <= low, row > high
        apart = row[None, :] - row[:, None]  # whole numbers first: sums may be wider than a float's
        nearest = np.where(always[None, :] | never[:, None], -np.inf, apart - 1)
        farthest = np.where(never[None, :] | always[:, None], np.inf, apart + 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            if pairs.any():
                least[channel] = max(0.0, (nearest / span)[pairs].max())
                most[channel] = (farthest / span)[pairs].min()
    return least, most


def slopes(function: Rising, places: np.ndarray) -> np.ndarray:
    """For each channel how much input lies between positions one unit apart."""
    return _middle(*_ranges(function, places))


def bent(function: Rising) -> np.ndarray:
    """Channels whose steps are not those of the format times a factor, as far as its positions are known."""
    if function.positions is None:
        return np.zeros(0, np.int64)
    least, most = _ranges(function, function.positions)
    return np.flatnonzero(least > most * (1 + _FLOAT_ERROR))


def _middle(least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Between the two; in a channel that no input moves, at least as much as in the others."""
    moved = np.isfinite(most)
    found = np.where(moved, (least + most) / 2, 2 * least)
    return np.where(moved, found, np.maximum(found, found[moved].max(initial=0.0) or 1.0))


def _solved(function: Rising, multipliers: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Offsets and boundaries for given multipliers, None if there are none (or none is found soon).

    The inequalities say between which numbers each boundary minus each offset lies; the shortest paths of
    their graph are a solution, unless a circle gets ever shorter.
    """
    rows, m = function.thresholds, multipliers[:, None]
    most = np.where(rows > function.high[:, None], _LARGEST, rows * m)  # the step itself passes
    least = np.where(
        rows <= function.low[:, None], -_LARGEST, (rows - 1) * m + 1
    )  # the input before does not
    offsets, boundaries = np.zeros(len(rows), np.int64), np.full(rows.shape[1], _LARGEST)
    for _ in range(_ROUNDS):
        lower = np.minimum(boundaries, (offsets[:, None] + most).min(axis=0))
        smaller = np.minimum(offsets, (lower - least).min(axis=1, initial=_LARGEST))
        if np.array_equal(lower, boundaries) and np.array_equal(smaller, offsets):
            return offsets, boundaries
        boundaries, offsets = lower, smaller
    return None


def rounded(
    values: list[np.ndarray], factors: list[int], thresholds: np.ndarray, limits: tuple[int, int]
) -> tuple[list[int], np.ndarray] | None:
    """Smaller factors of a sum of two, and boundaries, that all pairs of values prove equal to thresholds.

    Parameters
    ----------
    values : list of numpy.ndarray, int64
        All that each of the two can be.
    factors : list of int
    thresholds : numpy.ndarray, int64, shape (steps,)
        Of the sum.
    limits : (int, int)
        Bits of a factor and of the sum.

    Returns
    -------
    list of int, numpy.ndarray
        Factors and boundaries; None if there are none.
    """
    exact = np.add.outer(values[0] * factors[0], values[1] * factors[1]).ravel()
    steps = np.searchsorted(thresholds, exact, side="right")
    order = np.argsort(steps, kind="stable")
    firsts = np.searchsorted(steps[order], np.arange(1, len(thresholds) + 1))
    reach = [int(abs(v).max(initial=1)) for v in values]
    for bits in range(2, limits[0]):
        scale = (2.0**bits - 1) / max(abs(f) for f in factors)
        tried = [round(factor * scale) for factor in factors]
        if sum(abs(f) * r for f, r in zip(tried, reach)) >= 2 ** (limits[1] - 3):
            return None
        sums = np.add.outer(values[0] * tried[0], values[1] * tried[1]).ravel()[order]
        below = np.maximum.accumulate(np.concatenate([[-_LARGEST], sums]))
        above = np.minimum.accumulate(np.concatenate([sums, [_LARGEST]])[::-1])[::-1]
        if (below[firsts] < above[firsts]).all():
            return tried, above[firsts]
    return None


def holds(function: Rising, found: Scaling) -> bool:
    """Whether multipliers, offsets and boundaries are equal to the thresholds, step by step."""
    m, o = abs(found.multipliers)[:, None].astype(object), found.offsets[:, None].astype(object)
    rows, low, high = function.thresholds, function.low[:, None], function.high[:, None]
    passed = (rows > high) | (np.clip(rows, low, high) * m + o >= found.boundaries)
    kept = (rows <= low) | ((np.clip(rows, low + 1, high + 1) - 1) * m + o < found.boundaries)
    return bool(passed.all() and kept.all() and (np.diff(found.boundaries) >= 0).all())
