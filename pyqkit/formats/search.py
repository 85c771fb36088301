"""Between which of many sorted limits floats fall.

By arithmetic where that is proven equal, else by a binary search with a head start from the leading bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

_KEYS = 2**16  # sign, exponent and seven significand bits of a float32


@dataclass(frozen=True)
class Starts:
    """A head start for floats that are looked for in limits.

    Attributes
    ----------
    reached : numpy.ndarray, int32
        For every upper half of a float32: limits that the smallest such float has reached.
    limits : numpy.ndarray, float32
        And NaN behind them.
    steps : int
        The most limits that floats of one upper half have between them.
    """

    reached: np.ndarray
    limits: np.ndarray
    steps: int


def starts(limits: np.ndarray) -> Starts:
    """Where a search in sorted limits begins; the tables of the last ones are kept."""
    return _starts(limits.tobytes())


@lru_cache(maxsize=64)
def _starts(limits: bytes) -> Starts:
    found = np.frombuffer(limits, np.float32)
    keys = np.arange(_KEYS, dtype=np.uint32) << 16
    nearest_zero, farthest = keys.view(np.float32), (keys | 0xFFFF).view(np.float32)
    # An infinity shares its key with NaN, which nobody looks up.
    farthest = np.where(np.isinf(nearest_zero), nearest_zero, farthest)
    negative = np.signbit(nearest_zero)
    low = np.searchsorted(found, np.where(negative, farthest, nearest_zero), side="right")
    high = np.searchsorted(found, np.where(negative, nearest_zero, farthest), side="right")
    # Beyond the last limit there is NaN, which nothing reaches.
    return Starts(low.astype(np.int32), np.append(found, np.float32(np.nan)), int((high - low).max()))


def line(limits: np.ndarray) -> tuple[np.float32, np.float32] | None:
    """Factor and first integer of a line that counts the limits, None if there is none.

    The count is ``rint(x * factor) - first``, clipped to what there is.
    """
    return _line(limits.tobytes())


@lru_cache(maxsize=64)
def _line(limits: bytes) -> tuple[np.float32, np.float32] | None:
    """The line, proven.

    Both sides only rise with x, so they are equal everywhere if they are equal at every limit and just below
    it.
    """
    found = np.frombuffer(limits, np.float32)
    if len(found) < 2 or not np.isfinite(found).all() or found[0] == found[-1]:
        return None
    slope = (len(found) - 1) / (float(found[-1]) - float(found[0]))
    significand, exponent = np.frexp(slope)
    # Limits at ties may be one step off their distance.
    short = float(np.ldexp(np.rint(significand * 2**12) / 2**12, exponent))
    below = np.nextafter(found, np.float32(-np.inf))
    counts = np.arange(len(found))
    with np.errstate(over="ignore"):  # limits closer than float32 can say
        factors = np.float32(short), np.float32(slope)
    for factor in factors:
        with np.errstate(over="ignore", invalid="ignore"):
            first = np.rint(below[0] * factor)
            at, before = np.rint(found * factor) - first, np.rint(below * factor) - first
        if (
            np.isfinite(first)
            and abs(first) < 2**24
            and (at == counts + 1).all()
            and (before == counts).all()
        ):
            return factor, first
    return None


def reached(limits: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Number of limits that each float has reached.

    ``np.searchsorted(limits, x, side="right")``, several times as fast.

    Parameters
    ----------
    limits : numpy.ndarray, float32
        Sorted.
    x : numpy.ndarray, float32
        Without NaN.
    """
    straight = line(limits)
    if straight is not None:
        factor, first = straight
        with np.errstate(over="ignore"):
            scaled = x * factor
        np.rint(scaled, out=scaled)
        np.clip(scaled, first, first + np.float32(len(limits)), out=scaled)
        return (scaled - first).astype(np.intp)
    head = starts(limits)
    x = np.ascontiguousarray(x)
    found = head.reached[x.view(np.uint32) >> 16].astype(np.intp)
    for _ in range(head.steps):
        found += x >= head.limits[found]
    return found
