"""Thresholds of a requantiser as steps of whole factors and offsets, which `Rescale` has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.graph.graph import Tensor

MULTIPLIER_BITS = 25  # one DSP slice
ANY = 2**62  # beyond every offset: what a step without a condition asks for


@dataclass(frozen=True, eq=False)
class Rows:
    """Rising thresholds; a falling channel rises in -x: its steps, from the top, begin one after the old end.

    Attributes
    ----------
    thresholds : numpy.ndarray, int64, shape (channels, values - 1)
    low, high : numpy.ndarray, int64, shape (channels, 1)
        Of the integers.
    sign : numpy.ndarray, int64, shape (channels,)
    """

    thresholds: np.ndarray
    low: np.ndarray
    high: np.ndarray
    sign: np.ndarray

    @classmethod
    def of(cls, thresholds: np.ndarray, falling: np.ndarray, tensor: Tensor) -> Rows:
        """Those of an operator `Threshold` that reads a tensor."""
        falls = falling[:, None]
        rising = np.where(falls, 1 - thresholds[:, ::-1], thresholds)
        low, high = np.where(falls, -tensor.high, tensor.low), np.where(falls, -tensor.low, tensor.high)
        return cls(rising, low, high, np.where(falling, -1, 1))

    def of_channels(self, channels: np.ndarray) -> Rows:
        """Some of the channels."""
        return Rows(*(getattr(self, name)[channels] for name in vars(self)))

    def offsets(self, row: np.ndarray, factor: np.ndarray, relu: bool) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest offset with which ``x * factor + offset`` reaches limits as x thresholds.

        Of each step, without a condition -`ANY` and `ANY`. What a ReLU lifts over a limit need not reach it.
        """
        scaled, free = self.thresholds * factor[:, None], relu & (row <= 0)
        least = np.where((self.thresholds > self.high) | free, -ANY, row - scaled)
        most = np.where(self.thresholds <= self.low, ANY, row - 1 - scaled + factor[:, None])
        return least, most

    def lifted(self, row: np.ndarray) -> bool:
        """Whether every integer passes the steps at or below zero, as behind a ReLU."""
        return not ((row <= 0) & (self.thresholds > self.low)).any()
