"""Weights of convolutions as parts have them, channels of several views as one, multipliers and codes."""

from __future__ import annotations

import numpy as np

from pyqkit.array.compiler.passes import NONE, Codes, Pixels, Sums, View
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.window import SlidingWindow


def dense(op: Convolution) -> np.ndarray:
    """Weights of all input channels, `NONE` for those of other groups."""
    outputs, height, width, channels = op.weights.shape
    dense = np.full((outputs, height, width, channels * op.groups), NONE)
    for group in range(op.groups):
        rows = slice(group * outputs // op.groups, (group + 1) * outputs // op.groups)
        dense[rows, :, :, group * channels : (group + 1) * channels] = op.weights[rows]
    return dense


def of_neighbours(
    weights: np.ndarray, window: SlidingWindow, beside: int
) -> tuple[np.ndarray, SlidingWindow]:
    """Weights and window over an image whose pixels have so many columns each, the padding among them."""
    outputs, height, width, channels = weights.shape
    taps = -(-width // beside)
    sides = ((0, 0), (0, 0), (0, taps * beside - width), (0, 0))
    joined = np.pad(weights, sides, constant_values=NONE).reshape(outputs, height, taps, beside * channels)
    top, _, bottom, _ = window.padding
    steps = (window.dilation[0], beside)
    return joined, SlidingWindow((height, taps), window.stride, (top, 0, bottom, 0), steps)


def side_by_side(views: list[View]) -> View:
    """Channels of several views, one behind the other."""
    pieces: list[Pixels] = []
    channels = []
    for view in views:
        moved = view.channels.copy()
        moved[:, 0] = np.where(moved[:, 0] == NONE, NONE, moved[:, 0] + len(pieces))
        channels.append(moved)
        pieces += view.pieces
    return View(views[0].size, tuple(pieces), np.concatenate(channels))


def all_alike(values: np.ndarray) -> bool:
    """Whether all channels have the same."""
    return bool((values == values[:1]).all())


def widest(sums: Sums) -> int:
    """The largest multiplier of a term."""
    return max(int(abs(term.multipliers).max()) for term in sums.terms)


def times_one(count: int) -> np.ndarray:
    return np.array([1] * count, dtype=object)


def by_integers(integers: np.ndarray, codes: np.ndarray, channels: int) -> Codes:
    """A code for each of a format's integers, which rise."""
    ones, zeros = np.ones(channels, np.int64), np.zeros(channels, np.int64)
    return Codes(ones, zeros, integers[1:].astype(np.int64), codes)
