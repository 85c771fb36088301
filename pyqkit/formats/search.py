"""Between which of many sorted limits floats fall: binary search with a head start from the leading bits."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_KEYS = 2**16  # sign, exponent and seven significand bits of a float32


@lru_cache(maxsize=64)
def _starts(limits: bytes) -> tuple[np.ndarray, np.ndarray, int]:
    """For every upper half of a float32: limits that the smallest such float has reached, and the most that lie further up."""
    found = np.frombuffer(limits, np.float32)
    keys = np.arange(_KEYS, dtype=np.uint32) << 16
    nearest_zero, farthest = keys.view(np.float32), (keys | 0xFFFF).view(np.float32)
    farthest = np.where(np.isinf(nearest_zero), nearest_zero, farthest)  # an infinity shares its key with NaN, which nobody looks up
    negative = np.signbit(nearest_zero)
    low = np.searchsorted(found, np.where(negative, farthest, nearest_zero), side="right")
    high = np.searchsorted(found, np.where(negative, nearest_zero, farthest), side="right")
    steps = (high - low).max()
    return low.astype(np.intp), np.append(found, np.float32(np.nan)), int(steps)


def reached(limits: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Number of limits that each float has reached: ``np.searchsorted(limits, x, side="right")``, several times as fast.

    Parameters
    ----------
    limits : numpy.ndarray, float32
        Sorted.
    x : numpy.ndarray, float32
        Without NaN.
    """
    starts, padded, steps = _starts(limits.tobytes())
    x = np.ascontiguousarray(x)
    found = starts[x.view(np.uint32) >> 16]
    for _ in range(steps):
        found += x >= padded[found]  # beyond the last limit there is NaN, which nothing reaches
    return found
