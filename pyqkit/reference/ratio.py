"""Real numbers between quantisers.

A double-double over a divisor, so that an average or a division loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pyqkit.reference.doubledouble import DoubleDouble, concatenated, where


@dataclass(frozen=True, eq=False)
class Ratio:
    """``numerator / divisor``.

    Attributes
    ----------
    numerator : DoubleDouble
    divisor : DoubleDouble
        Positive; broadcasts to the numerator.
    """

    numerator: DoubleDouble
    divisor: DoubleDouble = field(default_factory=lambda: DoubleDouble.of(1.0))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.numerator.shape

    @property
    def real(self) -> DoubleDouble:
        """The quotient, exact where it has at most 106 bits."""
        whole = (self.divisor.high == 1).all() and not self.divisor.low.any()
        return self.numerator if whole else self.numerator.divided(self.divisor)

    def map(self, how: Callable[[np.ndarray], np.ndarray]) -> Ratio:
        """Apply a function that only moves elements."""
        if self.divisor.high.ndim == 0:
            return Ratio(self.numerator.map(how), self.divisor)
        return Ratio(self.numerator.map(how), self.divisor.map(lambda a: how(np.broadcast_to(a, self.shape))))

    def over_one_divisor(self) -> Ratio:
        """The same numbers with numerators in their order, which can be added up."""
        return self if self.divisor.high.size == 1 else Ratio(self.real)

    def __neg__(self) -> Ratio:
        return Ratio(-self.numerator, self.divisor)

    def __add__(self, other: Ratio) -> Ratio:
        first, second = self.divisor, other.divisor
        if first.shape == second.shape and not (first - second).high.any():
            return Ratio(self.numerator + other.numerator, first)
        return Ratio(self.numerator * second + other.numerator * first, first * second)

    def __sub__(self, other: Ratio) -> Ratio:
        return self + -other

    def __mul__(self, other: Ratio) -> Ratio:
        return Ratio(self.numerator * other.numerator, self.divisor * other.divisor)

    def over(self, divisor: DoubleDouble) -> Ratio:
        """The quotient by numbers other than zero, which nobody rounds."""
        sign = DoubleDouble.of(np.sign(divisor.high))
        return Ratio(self.numerator * sign, self.divisor * (divisor * sign))

    def over_ratio(self, divisor: Ratio) -> Ratio:
        """The quotient by a ratio other than zero."""
        return Ratio(self.numerator * divisor.divisor, self.divisor).over(divisor.numerator)

    def at_least(self, end: float) -> Ratio:
        """The larger of each number and `end`."""
        return self._limited(end, rising=True)

    def at_most(self, end: float) -> Ratio:
        """The smaller of each number and `end`."""
        return self._limited(end, rising=False)

    def _limited(self, end: float, rising: bool) -> Ratio:
        limit = DoubleDouble.of(end) * self.divisor
        gap = self.numerator - limit
        beyond = gap.high < 0 if rising else gap.high > 0
        limit = limit.map(lambda a: np.broadcast_to(a, self.shape))
        # The limit, or a number as near to it.
        unsure = np.where(abs(gap.high) <= gap.error, self.numerator.error, 0)
        return Ratio(where(beyond, limit.within(unsure), self.numerator), self.divisor)


def joined(parts: list[Ratio], axis: int) -> Ratio:
    """Tensors side by side along an axis."""
    numerators = concatenated([p.numerator for p in parts], axis)
    divisors = [p.divisor.map(lambda a, p=p: np.broadcast_to(a, p.shape)) for p in parts]  # type: ignore[misc]
    if all((d.high == 1).all() and not d.low.any() for d in divisors):
        return Ratio(numerators)
    return Ratio(numerators, concatenated(divisors, axis))
