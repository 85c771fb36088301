"""Numbers in a format and a scale, and how tensors are rounded to them fast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.emulate.kernels.rounding import rounded
from pyqkit.formats import NumberFormat
from pyqkit.formats.search import reached


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

        See `pyqkit.emulate.kernels.rounding.rounded`.
        """
        return rounded(self.format, self.scale, x)


def _scaled(x: np.ndarray, scale: np.float32) -> np.ndarray:
    return np.ascontiguousarray(x, np.float32) / scale


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
