"""Numbers in a format and a scale, and how tensors are rounded to them fast."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pyqkit.emulate.kernels import load, pointer
from pyqkit.formats import NumberFormat
from pyqkit.formats.search import reached, starts

_PIECE = 2**14  # numbers that are rounded at a time: what they need in between stays in the cache


@dataclass(frozen=True)
class Coding:
    """A format whose values are multiplied by a scale.

    Attributes
    ----------
    format : NumberFormat
        With `prescale` 1.
    scale : float
        Positive; used as a float32.
    """

    format: NumberFormat
    scale: float

    @property
    def bits(self) -> int:
        """Of a code."""
        return self.format.bits

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Codes of an array, in its shape."""
        codes = self.format.codes
        return codes[reached(self.format.limits(np.float32), _scaled(x, np.float32(self.scale)))]

    def quantise(self, x: np.ndarray) -> np.ndarray:
        """What the numbers of an array are rounded to, float32 in its shape and order of axes.

        ``scale * nearest(x / scale)`` in float32, as quantisers of an exported network compute it.
        """
        x = np.asarray(x, np.float32)
        if np.empty_like(x).strides != x.strides:  # numbers that lie apart, or are there once for many
            x = np.ascontiguousarray(x)
        rounded = np.empty_like(x)
        (_round if load() is None else _round_compiled)(self, x.ravel(order="K"), rounded.ravel(order="K"))
        return rounded


def _round(coding: Coding, flat: np.ndarray, rounded: np.ndarray) -> None:
    limits, values, scale = *_tables(coding), np.float32(coding.scale)
    for start in range(0, flat.size, _PIECE):
        piece = slice(start, start + _PIECE)
        found = reached(limits, _scaled(flat[piece], scale))
        values.take(found, mode="clip", out=rounded[piece])


def _round_compiled(coding: Coding, flat: np.ndarray, rounded: np.ndarray) -> None:
    """The same by the kernel, several times as fast."""
    library, (limits, values) = load(), _tables(coding)
    assert library is not None
    head, size, scale = starts(limits), ctypes.c_int64(flat.size), ctypes.c_float(coding.scale)
    tables = pointer(head.reached), pointer(head.limits), head.steps, pointer(values)
    library.pyqkit_round(pointer(flat), size, scale, *tables, pointer(rounded))


def _scaled(x: np.ndarray, scale: np.float32) -> np.ndarray:
    return np.ascontiguousarray(x, np.float32) / scale


@lru_cache(maxsize=4096)
def _tables(coding: Coding) -> tuple[np.ndarray, np.ndarray]:
    """Limits of the format, and its values times the scale."""
    values = coding.format.values.astype(np.float32) * np.float32(coding.scale)
    return coding.format.limits(np.float32), values


class Sample:
    """Numbers that are to be rounded, and the squared error that a coding would make.

    They are sorted once, and sums of them and of their squares kept: the error of a coding then takes a
    search for each of its limits, however many numbers there are.

    Parameters
    ----------
    numbers : numpy.ndarray

    Attributes
    ----------
    centre : float
        Mean binary logarithm of the magnitudes that are not zero.
    largest : float
        The largest magnitude; 1 if all are zero.
    """

    def __init__(self, numbers: np.ndarray) -> None:
        self._sorted = np.sort(numbers.reshape(-1).astype(np.float64))
        zero = np.zeros(1)
        self._sums = np.concatenate([zero, np.cumsum(self._sorted)])
        self._squares = np.concatenate([zero, np.cumsum(np.square(self._sorted))])
        magnitudes = np.abs(self._sorted[self._sorted != 0])
        self.centre = float(np.log2(magnitudes).mean()) if magnitudes.size else 0.0
        self.largest = float(magnitudes.max()) if magnitudes.size else 1.0

    @property
    def nonnegative(self) -> bool:
        """Whether no number is below zero."""
        return bool(self._sorted[0] >= 0)

    def errors(self, fmt: NumberFormat, scales: np.ndarray) -> np.ndarray:
        """Error for each scale, relative to the sum of the squares (0 if that is 0)."""
        total = self._squares[-1]
        if total == 0:
            return np.zeros(len(scales))
        places = np.searchsorted(self._sorted, scales[:, None] * fmt.limits())
        ends = np.full((len(scales), 1), len(self._sorted))
        places = np.concatenate([np.zeros_like(ends), places, ends], axis=1)
        counts, sums = np.diff(places), np.diff(self._sums[places])
        values = scales[:, None] * fmt.values
        error = total + (np.square(values) * counts - 2 * values * sums).sum(axis=1)
        return np.maximum(error, 0.0) / total
