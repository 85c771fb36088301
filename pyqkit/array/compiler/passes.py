"""What a network is for an array: passes over stored tensors, sums of products and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from pyqkit.formats import NumberFormat
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.window import Pair as Size
from pyqkit.graph.ops.window import SlidingWindow

POINT = SlidingWindow((1, 1), (1, 1), (0, 0, 0, 0))  # every pixel by itself
NONE = -1  # a channel that is zero, a weight that does not exist


@dataclass(frozen=True)
class Stored:
    """A tensor of codes in the activation memory.

    Attributes
    ----------
    name : str
    shape : (int, int, int)
    format : NumberFormat
    low, high : int
        Range of its integers.
    """

    name: str
    shape: tuple[int, int, int]
    format: NumberFormat
    low: int
    high: int


@dataclass(frozen=True)
class Pixels:
    """Pixels of a stored tensor as an image: pixel (y, x) is ``start + y * pitch[0] + x * pitch[1]``."""

    tensor: str
    start: int
    pitch: Size

    @classmethod
    def of(cls, tensor: Stored) -> Pixels:
        """All of them, as they stand."""
        return cls(tensor.name, 0, (tensor.shape[1], 1))


@dataclass(frozen=True, eq=False)
class View:
    """Codes as an operator reads them: images side by side, of which channels are taken.

    Attributes
    ----------
    size : (int, int)
        Rows, columns.
    pieces : tuple of Pixels
    channels : numpy.ndarray, int64, shape (channels, 2)
        For each channel its piece and its channel there; `NONE` for zero.
    flat : bool
        The elements in raster order are the channels of a single pixel.
    """

    size: Size
    pieces: tuple[Pixels, ...]
    channels: np.ndarray
    flat: bool = False

    @classmethod
    def of(cls, tensor: Stored) -> View:
        """A whole tensor."""
        count = tensor.shape[2]
        return cls(
            tensor.shape[:2], (Pixels.of(tensor),), np.stack([np.zeros(count, int), np.arange(count)], axis=1)
        )

    def is_all_of(self, tensor: Stored) -> bool:
        """Whether it is the elements of a tensor in the order in which they are stored."""
        if not np.array_equal(self.channels, View.of(tensor).channels):
            return False
        in_order = Pixels(tensor.name, 0, (self.size[1], 1))
        return self.pieces == (in_order,) and prod(self.size) == prod(tensor.shape[:2])

    def sliced(self, start: Size, step: Size, size: Size) -> View:
        """Rows and columns ``start, start + step, ...``, `size` of them."""
        pieces = tuple(
            Pixels(
                p.tensor,
                p.start + start[0] * p.pitch[0] + start[1] * p.pitch[1],
                (p.pitch[0] * step[0], p.pitch[1] * step[1]),
            )
            for p in self.pieces
        )
        return replace(self, size=size, pieces=pieces)

    def reshaped(self, shape: tuple[int, int, int]) -> View | None:
        """The same elements in the same order under another shape; None where addresses do not make it."""
        height, width = self.size
        channels = len(self.channels)
        now = (1, 1, height * width * channels) if self.flat else (height, width, channels)
        if now == shape:
            return self
        if prod(now) != prod(shape) or self.flat:
            return None
        if shape[2] == channels and all(p.pitch[0] == width * p.pitch[1] for p in self.pieces):
            pieces = tuple(replace(p, pitch=(shape[1] * p.pitch[1], p.pitch[1])) for p in self.pieces)
            return replace(self, size=shape[:2], pieces=pieces)
        return replace(self, flat=True) if shape[:2] == (1, 1) else None

    def permuted(self, channels: np.ndarray) -> View:
        """Channels in another order."""
        return replace(self, channels=self.channels[channels])

    def turned(self) -> View:
        """Rows and columns exchanged."""
        pieces = tuple(replace(p, pitch=p.pitch[::-1]) for p in self.pieces)
        return replace(self, size=self.size[::-1], pieces=pieces)


@dataclass(frozen=True, eq=False)
class Wide:
    """Codes of more bits than a slot has: those of `high` count 256 times, and those of `low` once."""

    high: View
    low: View


@dataclass(frozen=True, eq=False)
class Part:
    """Products of a stored tensor and constant weights, which one run of the array sums.

    Attributes
    ----------
    pixels : Pixels
    size : (int, int)
        Rows and columns of these.
    window : SlidingWindow
        How it moves over them.
    weights : numpy.ndarray, int64, shape (outputs, kernel height, kernel width, channels of the tensor)
        Codes; `NONE` where there is no weight. A kernel of 1 x 1 with a larger window is alike at all places.
    format : NumberFormat
        Of the weights.
    pad : int
        Code of what lies outside.
    """

    pixels: Pixels
    size: Size
    window: SlidingWindow
    weights: np.ndarray
    format: NumberFormat
    pad: int = 0

    @property
    def uniform(self) -> bool:
        """Whether all places of the window have the same weights."""
        return self.weights.shape[1:3] != self.window.kernel

    def selected(self, channels: np.ndarray) -> Part:
        """With other outputs: those of these numbers; `NONE` for an output that is zero."""
        rows = np.where((channels != NONE)[:, None, None, None], self.weights[channels], NONE)
        return replace(self, weights=rows)


@dataclass(frozen=True, eq=False)
class Term:
    """A sum of parts, in one accumulator.

    Attributes
    ----------
    parts : tuple of Part
    multipliers : numpy.ndarray of Python integers, shape (channels,)
        What it counts in the whole.
    values : tuple of int
        All that its sum can be, where it is codes as they are; empty for others.
    """

    parts: tuple[Part, ...]
    multipliers: np.ndarray
    values: tuple[int, ...] = ()

    def times(self, factors: np.ndarray) -> Term:
        """So many times each channel."""
        return replace(self, multipliers=self.multipliers * factors.astype(object))

    def selected(self, channels: np.ndarray) -> Term:
        """With other outputs: those of these numbers; `NONE` for an output that is zero."""
        parts = tuple(part.selected(channels) for part in self.parts)
        return replace(
            self, parts=parts, multipliers=np.where(channels != NONE, self.multipliers[channels], 0)
        )


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums that are not stored: whole numbers that the next operator makes codes of.

    Attributes
    ----------
    layers : tuple of str
        Operators of the graph that they are made by.
    size : (int, int)
        Rows, columns.
    terms : tuple of Term
    """

    layers: tuple[str, ...]
    size: Size
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Outside:
    """Numbers that no slot holds, which the host has made."""

    tensor: str


@dataclass(frozen=True, eq=False)
class Codes:
    """What the post-processor makes of sums, in the graph's units.

    Attributes
    ----------
    multipliers, offsets : numpy.ndarray, int64, shape (channels,)
    boundaries : numpy.ndarray, int64, shape (steps,)
    codes : numpy.ndarray, int64, shape (steps + 1,)
    """

    multipliers: np.ndarray
    offsets: np.ndarray
    boundaries: np.ndarray
    codes: np.ndarray


@dataclass(frozen=True, eq=False)
class Pass:
    """One way from stored tensors through the array.

    Attributes
    ----------
    layers : tuple of str
        Operators of the graph that it does.
    sums : Sums
    codes : Codes or None
        None sends sums to the stream.
    output : str
        Tensor that it writes.
    origin : (int, int)
        Row and column of the first result.
    maximum : bool
        Each result is the largest code of a window instead of one of its sum.
    gathered : bool
        The positions of its sums are columns that the post-processor adds to the one result.
    """

    layers: tuple[str, ...]
    sums: Sums
    codes: Codes | None
    output: str
    origin: Size = (0, 0)
    maximum: bool = False
    gathered: bool = False

    @property
    def reads(self) -> set[str]:
        """Stored tensors that it reads."""
        return {part.pixels.tensor for term in self.sums.terms for part in term.parts}

    def by_columns(self, most: int) -> Pass:
        """The same, if it is one sum over a whole image: each column by itself, and then all of them.

        A position by itself would take as many cycles as the array has rows, for each of its places. There
        can be `most` columns.
        """
        (term, *others), one = self.sums.terms, self.sums.size == (1, 1)
        windows = {part.window for part in term.parts}
        whole = one and not others and len(windows) == 1 and all(part.uniform for part in term.parts)
        if not whole or self.maximum:
            return self
        (window,) = windows
        height, width = window.kernel
        if any(window.padding) or window.dilation != (1, 1) or not 1 < width <= most:
            return self
        column = SlidingWindow((height, 1), (1, 1), (0, 0, 0, 0))
        parts = tuple(replace(part, window=column) for part in term.parts)
        sums = replace(self.sums, size=(1, width), terms=(replace(term, parts=parts),))
        return replace(self, sums=sums, gathered=True)


@dataclass(frozen=True, eq=False)
class Hosted:
    """An operator that the host executes, since the array lacks it.

    Attributes
    ----------
    operator : Operator
    """

    operator: Operator


Item = Pass | Hosted
