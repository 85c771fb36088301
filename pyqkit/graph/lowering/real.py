"""`Real`: what an ONNX tensor is, exactly, in terms of integer tensors that already exist.

    real[c] = functions( sum over terms of factor[c] * integer[c]  +  offset[c] )

Factors and offsets are `Fraction`s, one per channel, so batch norms, biases, scales and average pools fold
into them without rounding. A quantiser turns a `Real` into codes again (`pyqkit.graph.lowering.quantise`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.functions import Affine, Fractions, Function
from pyqkit.graph.ops.window import SlidingWindow

if TYPE_CHECKING:
    from pyqkit.graph.lowering.row_functions import RowFunction

__all__ = ["Fractions", "Real", "Term", "floats", "fractions", "plain_view", "vector_view"]


def fractions(values: np.ndarray | float | Fraction, channels: int | None = None) -> Fractions:
    """Exact fractions of floating-point numbers, flattened; one value is repeated over `channels`.

    Constants of a model become fractions here and nowhere else, so this is where NaN and infinities are
    refused.
    """
    several = [values] if isinstance(values, Fraction) else np.asarray(values).ravel().tolist()
    flat = [_exact(value) for value in several]
    if channels is not None and len(flat) == 1:
        flat = flat * channels
    out = np.empty(len(flat), dtype=object)
    out[:] = flat
    return out


def floats(values: Fractions) -> np.ndarray:
    """The nearest float64 of each fraction, for the ends of an accelerator."""
    try:
        return np.array([float(v) for v in values])
    except OverflowError:
        raise Unlowerable(
            "its scale is beyond float64", "check the scales and batch norms before it"
        ) from None


def _exact(value: float | Fraction) -> Fraction:
    if isinstance(value, float) and not isfinite(value):
        raise Unlowerable(
            f"a constant of it is {value}", "check the parameters of the layer, and train or export it again"
        )
    return value if isinstance(value, Fraction) else Fraction(value)


@dataclass(frozen=True, eq=False)
class Term:
    """A tensor of the graph and the real value that one integer step of each of its channels is worth."""

    tensor: str
    factor: Fractions


@dataclass(frozen=True, eq=False)
class Real:
    """An ONNX tensor without its batch axis.

    Attributes
    ----------
    terms : tuple of Term
        Tensors of one shape, `base`.
    offset : Fractions
    base : (int, int, int)
        Shape (height, width, channels) of the tensors behind it.
    view : numpy.ndarray of int, of the ONNX shape
        For each element its place in the flattened `base`, or -1 for a zero put in by padding. Every ONNX
        node that only moves elements works on this array alone.
    functions : tuple of Function
        Applied to the sum, in order.
    pool : SlidingWindow or None
        Of a max pool that waits for the quantiser (it commutes with rising functions); `view` then indexes
        the pooled tensor of shape `pooled`.
    raw : bool
        The float input of the network, not quantised yet.
    rows : RowFunction or None
        Of whole pixels, such as a softmax, that waits for the quantiser; `functions` come after it.
    batch_axis : int or None
        Place of the batch among the axes of the ONNX tensor; None where a batch of 1 is part of another axis.
        What reads one whose batch is not first is said in `graph.lowering.batches`.
    """

    terms: tuple[Term, ...]
    offset: Fractions
    base: tuple[int, int, int]
    view: np.ndarray = field(repr=False)
    functions: tuple[Function, ...] = ()
    pool: SlidingWindow | None = None
    pooled: tuple[int, int, int] | None = None
    raw: bool = False
    rows: RowFunction | None = None
    batch_axis: int | None = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """ONNX shape without the batch."""
        return self.view.shape

    @property
    def channels(self) -> int:
        """Channels of the tensors behind it."""
        return self.base[2]

    @property
    def is_linear(self) -> bool:
        """Whether it is a plain sum: nothing waits for a quantiser."""
        return not self.functions and self.pool is None and self.rows is None

    @property
    def is_codes(self) -> bool:
        """Whether it is a quantised tensor: one term and no offset."""
        return len(self.terms) == 1 and self.is_linear and not self.raw and all(o == 0 for o in self.offset)

    def per_channel(self, values: np.ndarray) -> Fractions:
        """One fraction per channel of `base`, of values in the ONNX shape or one that broadcasts to it."""
        values = np.asarray(values)
        if values.size == 1:
            return fractions(values, self.channels)
        while values.ndim > len(self.shape) and values.shape[0] == 1:  # the batch axis
            values = values[0]
        fits = values.ndim <= len(self.shape) and all(
            n in (1, m) for n, m in zip(values.shape[::-1], self.shape[::-1])
        )
        if not fits:
            raise Unlowerable(
                f"its constant of shape {values.shape} does not fit {self.shape}",
                "use one value for each channel",
            )
        spread = np.broadcast_to(values, self.shape).ravel()
        channel = self.view.ravel() % self.channels
        found = np.full(self.channels, spread[0])  # a channel that no element is of takes any value
        found[channel] = spread
        if not np.array_equal(found[channel], spread):
            raise Unlowerable(
                "its constant differs between the pixels of a channel", "use one value for each channel"
            )
        return fractions(found)

    def affine(self, factor: Fractions, offset: Fractions) -> Real:
        """factor[c] * self + offset[c]."""
        if (self.view < 0).any() and any(offset):
            raise Unlowerable(
                "a constant is added to zero padding", "quantise between the padding and this node"
            )
        if self.pool is not None and any(f < 0 for f in factor):
            raise Unlowerable(
                "a negative factor follows an unquantised max pool", "quantise before the max pool"
            )
        if self.functions or self.rows is not None:
            return replace(self, functions=(*self.functions, Affine(factor, offset)))
        terms = tuple(Term(t.tensor, t.factor * factor) for t in self.terms)
        return replace(self, terms=terms, offset=self.offset * factor + offset)

    def then(self, function: Function) -> Real:
        """`function` applied to self."""
        if (self.view < 0).any():
            raise Unlowerable(
                "an activation function follows zero padding", "quantise between the padding and this node"
            )
        return replace(self, functions=(*self.functions, function))


def plain_view(shape: tuple[int, int, int]) -> np.ndarray:
    """View of an ONNX tensor (channels, height, width) on a tensor (height, width, channels)."""
    return np.arange(int(np.prod(shape))).reshape(shape).transpose(2, 0, 1)


def vector_view(features: int) -> np.ndarray:
    """View of an ONNX vector on a tensor (1, 1, features)."""
    return np.arange(features)
