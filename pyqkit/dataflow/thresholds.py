"""The table that a binary search walks to find how many thresholds an integer has reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.requantise import Threshold


@dataclass(frozen=True, eq=False)
class SearchTable:
    """Thresholds and codes filled up to a power of two.

    Rising channels are filled above with thresholds never reached, falling ones below with thresholds always
    reached. Then the place of the code is the count or, on a falling channel, the count's complement.

    Attributes
    ----------
    steps : int
        Comparisons, each of which finds a bit of the count.
    limits : numpy.ndarray, int64, shape (channels, 2**steps - 1)
    codes : numpy.ndarray, shape (1 or channels, 2**steps)
        By place; places behind the last value are never reached.
    """

    steps: int
    limits: np.ndarray
    codes: np.ndarray

    def of_step(self, step: int) -> np.ndarray:
        """Thresholds that decide bit `step` of the count, one for each value of the bits above it.

        Returns
        -------
        numpy.ndarray, shape (channels, 2**(steps - 1 - step))
        """
        return self.limits[:, 2**step - 1 :: 2 ** (step + 1)]


def built(variants: Sequence[Threshold], lanes: int) -> list[Threshold]:
    """Requantisers whose tables are built, of those that layers share.

    Where all passes and channels have one row and rise, it does not matter which channel a word is of, nor
    which pass: one of as many channels as come at a time stands for all.
    """
    rows = np.concatenate([op.thresholds for op in variants])
    plain = not any(op.falling.any() or op.places is not None for op in variants)
    if len(variants) == 1 or not plain or (rows != rows[0]).any():
        return list(variants)
    op = variants[0]
    return [replace(op, thresholds=op.thresholds[:lanes], falling=op.falling[:lanes])]


def search_table(op: Threshold, tensor: Tensor) -> SearchTable:
    """The table of a requantiser for the integers of its input."""
    steps = max(1, (op.codes.shape[1] - 1).bit_length())
    channels, count = op.thresholds.shape
    limits = np.full((channels, 2**steps - 1), tensor.high + 1, np.int64)
    fill = limits.shape[1] - count
    limits[~op.falling, :count] = op.thresholds[~op.falling]
    limits[op.falling, :fill] = tensor.low
    limits[op.falling, fill:] = op.thresholds[op.falling]
    codes = np.pad(op.codes, ((0, 0), (0, 2**steps - op.codes.shape[1])), "wrap")
    return SearchTable(steps, limits, codes)
