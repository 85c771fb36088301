"""`Jet`: value and slope of a function of one number, as enclosures (forward differentiation).

Functions are written once, on jets. Given one exact number they say what the function is there, given a range
they say what it can be there, and whether it rises or falls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from pyqkit.graph.lowering.intervals import (
    Arithmetic,
    Enclose,
    Interval,
    Number,
    exact_root,
    pi,
    sign,
)

_HALF = Fraction(1, 2)


@dataclass(frozen=True, eq=False)
class Jet:
    """A number that depends on another one.

    Attributes
    ----------
    arithmetic : Arithmetic
    value : Number
    slope : Number or None
        None where nobody knows it, as at a jump.
    """

    arithmetic: Arithmetic
    value: Number
    slope: Number | None

    def constant(self, value: Fraction) -> Jet:
        """A constant in the same arithmetic."""
        return Jet(self.arithmetic, value, Fraction(0))

    def __add__(self, other: Jet | Fraction) -> Jet:
        if isinstance(other, Fraction):
            return replace(self, value=self.arithmetic.add(self.value, other))
        add = self.arithmetic.add
        known = self.slope is not None and other.slope is not None
        slope = add(self.slope, other.slope) if known else None  # type: ignore[arg-type]
        return Jet(self.arithmetic, add(self.value, other.value), slope)

    def __neg__(self) -> Jet:
        return self * Fraction(-1)

    def __sub__(self, other: Jet) -> Jet:
        return self + -other

    def __mul__(self, other: Jet | Fraction) -> Jet:
        if isinstance(other, Fraction):
            other = self.constant(other)
        multiply = self.arithmetic.multiply
        value = multiply(self.value, other.value)
        if self.slope is None or other.slope is None:
            return Jet(self.arithmetic, value, None)
        sides = multiply(self.slope, other.value), multiply(self.value, other.slope)
        return Jet(self.arithmetic, value, self.arithmetic.add(*sides))

    def __truediv__(self, other: Jet) -> Jet:
        return self * other.reciprocal()

    def reciprocal(self) -> Jet:
        """``1 / self``."""
        value = self.arithmetic.reciprocal(self.value)
        return self._chained(value, lambda: self.arithmetic.negative(self.arithmetic.multiply(value, value)))

    def power(self, exponent: int) -> Jet:
        """To the power of a whole number that is not negative."""
        if exponent == 0:
            return self.constant(Fraction(1))
        below = self.power(exponent - 1).value
        value = self.arithmetic.multiply(self.value, below)
        if exponent % 2 == 0 and isinstance(value, Interval):
            value = Interval(max(value.low, value.low * 0), value.high)
        return self._chained(value, lambda: self.arithmetic.multiply(Fraction(exponent), below))

    def exponential(self) -> Jet:
        """``exp(self)``."""
        value = self._rising(Arithmetic.exponential, {Fraction(0): Fraction(1)})
        return self._chained(value, lambda: value)

    def exponential_less_one(self) -> Jet:
        """``exp(self) - 1``, to all digits where it is small."""
        value = self._rising(Arithmetic.exponential_less_one, {Fraction(0): Fraction(0)})
        return self._chained(value, lambda: self.arithmetic.add(value, Fraction(1)))

    def logarithm(self) -> Jet:
        """Natural logarithm."""
        value = self._rising(Arithmetic.logarithm, {Fraction(1): Fraction(0)})
        return self._chained(value, lambda: self.arithmetic.reciprocal(self.value))

    def root(self) -> Jet:
        """Square root."""
        exact = exact_root(self.value) if isinstance(self.value, Fraction) else None
        value = self.arithmetic.rising(Arithmetic.root, self.value) if exact is None else exact
        if sign(value) != 1:  # the slope grows without end towards zero
            return Jet(self.arithmetic, value, None)
        twice = self.arithmetic.multiply(value, Fraction(2))
        return self._chained(value, lambda: self.arithmetic.reciprocal(twice))

    def sigmoid(self) -> Jet:
        """``1 / (1 + exp(-self))``."""
        return self._chained(self._sigmoid(), self._sigmoid_slope)

    def tangent(self) -> Jet:
        """Hyperbolic tangent; its slope is four times that of the sigmoid of twice the argument."""
        value = self._rising(Arithmetic.tangent, {Fraction(0): Fraction(0)})
        twice = self * Fraction(2)
        return self._chained(value, lambda: self.arithmetic.multiply(twice._sigmoid_slope(), Fraction(4)))

    def softplus(self) -> Jet:
        """``log(1 + exp(self))``."""
        return self._chained(self._rising(Arithmetic.softplus, {}), self._sigmoid)

    def normal(self) -> Jet:
        """Standard normal distribution."""
        return self._chained(self._rising(Arithmetic.normal, {Fraction(0): _HALF}), self._normal_density)

    def error_function(self) -> Jet:
        """``erf(self)``."""
        return self.one_and_error_function() + Fraction(-1)

    def one_and_error_function(self) -> Jet:
        """``1 + erf(self)``, to all digits where it is small."""
        return (self * self._irrational(Fraction(2))).normal() * Fraction(2)

    def times_root_of_two_over_pi(self) -> Jet:
        """``sqrt(2 / pi) * self``, the constant of the tanh form of GELU."""
        share = self.arithmetic.multiply(Fraction(2), self.arithmetic.reciprocal(pi(self.arithmetic.digits)))
        factor = self.arithmetic.rising(Arithmetic.root, share)
        return self * Jet(self.arithmetic, factor, Fraction(0))

    def maximum(self, other: Jet) -> Jet:
        """The larger of two."""
        first, second = self.arithmetic.enclosed(self.value), self.arithmetic.enclosed(other.value)
        if isinstance(self.value, Fraction) and isinstance(other.value, Fraction):
            return self if self.value >= other.value else other
        if first.low > second.high:
            return self
        if second.low > first.high:
            return other
        value = Interval(max(first.low, second.low), max(first.high, second.high))
        return Jet(self.arithmetic, value, self._either(self.slope, other.slope))

    def minimum(self, other: Jet) -> Jet:
        """The smaller of two."""
        return -(-self).maximum(-other)

    def chosen_above(self, limit: Fraction, above: Jet, other: Jet) -> Jet:
        """`above` where this number is above a limit, and `other` elsewhere."""
        if isinstance(self.value, Fraction):
            return above if self.value > limit else other
        if self.value.low > limit:
            return above
        if self.value.high <= limit:
            return other
        first, second = self.arithmetic.enclosed(above.value), self.arithmetic.enclosed(other.value)
        value = Interval(min(first.low, second.low), max(first.high, second.high))
        return Jet(self.arithmetic, value, None)

    def _either(self, a: Number | None, b: Number | None) -> Number | None:
        if a is None or b is None:
            return None
        first, second = self.arithmetic.enclosed(a), self.arithmetic.enclosed(b)
        return Interval(min(first.low, second.low), max(first.high, second.high))

    def _sigmoid(self) -> Number:
        return self._rising(Arithmetic.sigmoid, {Fraction(0): _HALF})

    def _sigmoid_slope(self) -> Number:
        return self.arithmetic.multiply(self._sigmoid(), (-self._alone())._sigmoid())

    def _normal_density(self) -> Number:
        power = (self._alone().power(2) * Fraction(-1, 2)).exponential()
        return self.arithmetic.multiply(power.value, self.arithmetic.density_scale)

    def _alone(self) -> Jet:
        return replace(self, slope=None)

    def _irrational(self, square: Fraction) -> Jet:
        return Jet(self.arithmetic, self.arithmetic.rising(Arithmetic.root, square), Fraction(0))

    def _rising(self, enclose: Enclose, known: dict[Fraction, Fraction]) -> Number:
        """A rising function, with the places where its value is a fraction."""
        if isinstance(self.value, Fraction) and self.value in known:
            return known[self.value]
        return self.arithmetic.rising(enclose, self.value)

    def _chained(self, value: Number, slope: Callable[[], Number]) -> Jet:
        """The value of a function of this number; its slope is asked for where it is of use."""
        if self.slope is None:
            return Jet(self.arithmetic, value, None)
        return Jet(self.arithmetic, value, self.arithmetic.multiply(slope(), self.slope))
