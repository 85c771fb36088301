"""Values of the reference: plain constants, real numbers, and what quantisers make of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from pyqkit.formats import Integer, NumberFormat
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.ratio import Ratio


@dataclass(frozen=True)
class Moved:
    """Codes that a written definition, such as that of a softmax, moves from those of the real numbers.

    Attributes
    ----------
    codes, differing : int
    far : int
        Differing ones whose real number lies farther from a boundary than the definition says.
    """

    codes: int = 0
    differing: int = 0
    far: int = 0

    def __add__(self, other: Moved) -> Moved:
        return Moved(self.codes + other.codes, self.differing + other.differing, self.far + other.far)


@dataclass(frozen=True, eq=False)
class Quantised:
    """A tensor that a quantiser made.

    Attributes
    ----------
    content : numpy.ndarray
        Integers of a linear format, codes of a Logarithmic Posit (both: zero is 0).
    format : NumberFormat
    scale : DoubleDouble
        Real value of one integer step (linear), or of the value 1 (logarithmic); broadcasts to `content`.
    ties : int
        Elements that lay exactly on a boundary when they were rounded.
    moved : Moved
        What a written definition does to them.
    """

    content: np.ndarray
    format: NumberFormat
    scale: DoubleDouble
    ties: int = 0
    moved: Moved = field(default_factory=lambda: Moved())

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.content.shape

    @property
    def step(self) -> DoubleDouble:
        """Real value of one of `integers`."""
        return (
            self.scale * DoubleDouble.of(float(self.format.unit))
            if self.format.is_logarithmic
            else self.scale
        )

    @property
    def integers(self) -> np.ndarray:
        """Integers as float64, sent through the log-to-linear table if logarithmic."""
        return (self.format.integers[self.content] if self.format.is_logarithmic else self.content).astype(
            np.float64
        )

    @property
    def real(self) -> DoubleDouble:
        """Real values."""
        return DoubleDouble.of(self.integers) * self.step

    def scaled(self, factor: DoubleDouble) -> Quantised:
        """The tensor times constants: codes stay codes, whatever their step is worth."""
        return replace(self, scale=self.scale * factor, ties=0)

    def map(self, how: Callable[[np.ndarray], np.ndarray]) -> Quantised:
        """Apply a function that only moves elements."""
        if self.scale.high.size == 1:
            scale = self.scale.map(lambda a: a.reshape(()))
        else:
            scale = self.scale.map(lambda a: how(np.broadcast_to(a, self.shape)))
        return Quantised(how(self.content), self.format, scale)

    def codes(self) -> np.ndarray:
        """Codes of the format."""
        if self.format.is_logarithmic:
            return self.content
        if isinstance(self.format, Integer):
            return self.format.from_integers(self.content)
        codes = self.format.codes  # in the order of their values
        return codes[np.searchsorted(self.format.integers[codes], self.content)]


@dataclass(frozen=True, eq=False)
class Shares(DoubleDouble):
    """Real numbers that are to be rounded as a definition says.

    Attributes
    ----------
    definition : Ratio
        What is rounded.
    bound : float
        How far it is from the real numbers, at most.
    """

    definition: Ratio = field(default_factory=lambda: Ratio(DoubleDouble.of(0.0)))
    bound: float = 0.0

    def map(self, how: Callable[[np.ndarray], np.ndarray]) -> Shares:
        """Apply a function that only moves elements."""
        real = super().map(how)
        return Shares(real.high, real.low, real.error, self.definition.map(how), self.bound)


@dataclass(frozen=True, eq=False)
class Turned:
    """A tensor whose batch is not the first of its axes in the file; here it is, as everywhere.

    Attributes
    ----------
    value : Value
    axis : int or None
        Where the file has it; None where its batch of 1 is part of another axis.
    """

    value: DoubleDouble | Ratio | Quantised
    axis: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        frames, *rest = self.value.shape
        if self.axis is None:
            return tuple(rest)
        return (*rest[: self.axis], frames, *rest[self.axis :])

    def map(self, how: Callable[[np.ndarray], np.ndarray]) -> Turned:
        """Moves know where its batch is; for others `reference.turned` puts it first."""
        raise TypeError("a tensor whose batch is not its first axis is no value for this")


@dataclass(frozen=True, eq=False)
class Masked:
    """Quantised scores some of which are hidden, as if minus infinity were added to them; for a softmax.

    Attributes
    ----------
    scores : Quantised
    hidden : numpy.ndarray of bool, of their shape
    """

    scores: Quantised
    hidden: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.scores.shape

    def map(self, how: Callable[[np.ndarray], np.ndarray]) -> Masked:
        """Apply a function that only moves elements."""
        return Masked(self.scores.map(how), how(self.hidden))


Value = np.ndarray | DoubleDouble | Ratio | Quantised | Turned | Masked


def plain_of(value: Value) -> Value:
    """A value with its batch in front, wherever the file has it."""
    return value.value if isinstance(value, Turned) else value


def ratio_of(value: Value) -> Ratio:
    """Any value as a double-double over a divisor."""
    if isinstance(value, Quantised):
        return Ratio(value.real)
    if isinstance(value, Ratio):
        return value
    if isinstance(value, Turned):
        raise TypeError("only moves read a tensor whose batch is not first")
    if isinstance(value, Masked):
        raise TypeError("a softmax alone reads scores under a mask")
    return Ratio(value if isinstance(value, DoubleDouble) else DoubleDouble.of(value))


def real_of(value: Value) -> DoubleDouble:
    """Any value as real numbers."""
    return ratio_of(value).real
