"""Floats rounded to a scale times the values of a format, by the kernel or by numpy."""

from __future__ import annotations

import ctypes
from functools import lru_cache

import numpy as np

from pyqkit.emulate.kernels import load, pointer
from pyqkit.formats import Minifloat, NumberFormat
from pyqkit.formats.search import line, reached, starts

_PIECE = 2**14  # numbers that numpy rounds at a time: what it needs in between stays in the cache


def rounded(fmt: NumberFormat, scale: float, x: np.ndarray) -> np.ndarray:
    """What the numbers of an array are rounded to.

    ``scale * nearest(x / scale)`` in float32, as quantisers of an exported network compute it.

    Parameters
    ----------
    fmt : NumberFormat
    scale : float
        Positive; used as a float32.
    x : numpy.ndarray

    Returns
    -------
    numpy.ndarray, float32
        In the shape and order of axes of `x`.
    """
    x = np.asarray(x, np.float32)
    if np.empty_like(x).strides != x.strides:  # numbers that lie apart, or are there once for many
        x = np.ascontiguousarray(x)
    made = np.empty_like(x)
    round_flat = _by_numpy if load() is None else _by_kernel
    round_flat(fmt, float(np.float32(scale)), x.ravel(order="K"), made.ravel(order="K"))
    return made


def _by_numpy(fmt: NumberFormat, scale: float, flat: np.ndarray, made: np.ndarray) -> None:
    limits, values = _tables(fmt, scale)
    for start in range(0, flat.size, _PIECE):
        piece = slice(start, start + _PIECE)
        found = reached(limits, flat[piece] / np.float32(scale))
        values.take(found, mode="clip", out=made[piece])


def _by_kernel(fmt: NumberFormat, scale: float, flat: np.ndarray, made: np.ndarray) -> None:
    """The same, several times as fast."""
    library, (limits, values) = load(), _tables(fmt, scale)
    assert library is not None
    given = pointer(flat), ctypes.c_int64(flat.size), ctypes.c_float(scale)
    if isinstance(fmt, Minifloat) and fmt.addend is not None:
        numbers = (fmt.minimum, fmt.maximum, *fmt.addend)
        library.pyqkit_round_floating(*given, *map(ctypes.c_float, numbers), pointer(made))
        return
    straight = line(limits)
    if straight is not None:
        factor, first = straight
        counts = [ctypes.c_float(float(number)) for number in (factor, first, first + limits.size)]
        library.pyqkit_round_evenly(*given, *counts, pointer(values), pointer(made))
        return
    head = starts(limits)
    tables = pointer(head.reached), pointer(head.limits), head.steps, pointer(values)
    library.pyqkit_round(*given, *tables, pointer(made))


@lru_cache(maxsize=4096)
def _tables(fmt: NumberFormat, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Limits of the format, and its values times the scale."""
    return fmt.limits(np.float32), fmt.values.astype(np.float32) * np.float32(scale)
