"""Activation functions without corners that rise: a quantiser needs their inverse at its boundaries.

The inverse is no rational number, except at a few places that are listed. It is computed to 60 digits, so
that a boundary ends up between the same two integers as the exact one, unless one of them lies within 10**-55
of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction

from pyqkit.graph.lowering.functions import Condition, Outcome
from pyqkit.graph.lowering.jets import Jet

_CONTEXT = Context(prec=60)


@dataclass(frozen=True)
class Smooth:
    """A strictly rising function.

    Attributes
    ----------
    low, high : Fraction or None
        Ends of its range, never reached; None where there is none.
    inverse : callable
        Of a fraction inside the range.
    forward : callable
        The function itself.
    and_one : callable or None
        The function and 1, to all digits where that is small.
    """

    low: Fraction | None
    high: Fraction | None
    inverse: Callable[[Fraction], Fraction]
    forward: Callable[[Jet], Jet]
    and_one: Callable[[Jet], Jet] | None = None

    increasing = True
    uniform = True

    def before(self, condition: Condition, channel: int) -> Outcome:
        """The condition on the input that is equivalent to `condition` on the output."""
        if self.low is not None and condition.position <= self.low:
            return not condition.below
        if self.high is not None and condition.position >= self.high:
            return condition.below
        return Condition(self.inverse(condition.position), condition.inclusive, condition.below)

    def at(self, x: Jet, channel: int) -> Jet:
        """The function of an enclosure."""
        return self.forward(x)


def _logarithm(x: Fraction) -> Fraction:
    quotient = _CONTEXT.divide(Decimal(x.numerator), Decimal(x.denominator))
    return Fraction(0) if x == 1 else Fraction(_CONTEXT.ln(quotient))


def _exponential(x: Fraction) -> Fraction:
    if x == 0:
        return Fraction(1)
    return Fraction(_CONTEXT.exp(_CONTEXT.divide(Decimal(x.numerator), Decimal(x.denominator))))


def elu(alpha: Fraction) -> Smooth:
    """``x`` for positive x, ``alpha * (exp(x) - 1)`` below."""

    def forward(x: Jet) -> Jet:
        zero = x.constant(Fraction(0))
        return x.maximum(zero) + x.minimum(zero).exponential_less_one() * alpha

    return Smooth(-alpha, None, lambda y: y if y >= 0 else _logarithm(1 + y / alpha), forward)


def _softsign(x: Jet) -> Jet:
    """``x / (1 + |x|) = 1 / (1 - min(x, 0)) - 1 / (1 + max(x, 0))``."""
    zero, one = (x.constant(Fraction(value)) for value in (0, 1))
    return (one - x.minimum(zero)).reciprocal() - (one + x.maximum(zero)).reciprocal()


def _tangent_and_one(x: Jet) -> Jet:
    return (x * Fraction(2)).sigmoid() * Fraction(2)


SIGMOID = Smooth(Fraction(0), Fraction(1), lambda y: _logarithm(y / (1 - y)), Jet.sigmoid)
TANH = Smooth(
    Fraction(-1),
    Fraction(1),
    lambda y: _logarithm((1 + y) / (1 - y)) / 2,
    Jet.tangent,
    _tangent_and_one,
)
SOFTPLUS = Smooth(Fraction(0), None, lambda y: y + _logarithm(1 - _exponential(-y)), Jet.softplus)
EXPONENTIAL = Smooth(Fraction(0), None, _logarithm, Jet.exponential)
SOFTSIGN = Smooth(Fraction(-1), Fraction(1), lambda y: y / (1 - abs(y)), _softsign)
