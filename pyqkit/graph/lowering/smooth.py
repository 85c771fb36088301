"""Activation functions without corners: a quantiser needs their inverse at its boundaries, no more.

The inverse is no rational number, except at a few places that are listed. It is computed to 60 digits, so
that a boundary ends up between the same two integers as the exact one, unless one of them lies within 10**-55
of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction

from pyqkit.graph.lowering.real import Condition, Outcome

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
    """

    low: Fraction | None
    high: Fraction | None
    inverse: Callable[[Fraction], Fraction]

    increasing = True
    uniform = True

    def before(self, condition: Condition, channel: int) -> Outcome:
        """The condition on the input that is equivalent to `condition` on the output."""
        if self.low is not None and condition.position <= self.low:
            return not condition.below
        if self.high is not None and condition.position >= self.high:
            return condition.below
        return Condition(self.inverse(condition.position), condition.inclusive, condition.below)


def _logarithm(x: Fraction) -> Fraction:
    quotient = _CONTEXT.divide(Decimal(x.numerator), Decimal(x.denominator))
    return Fraction(0) if x == 1 else Fraction(_CONTEXT.ln(quotient))


def _exponential(x: Fraction) -> Fraction:
    return Fraction(_CONTEXT.exp(_CONTEXT.divide(Decimal(x.numerator), Decimal(x.denominator))))


def elu(alpha: Fraction) -> Smooth:
    """``x`` for positive x, ``alpha * (exp(x) - 1)`` below."""
    return Smooth(-alpha, None, lambda y: y if y >= 0 else _logarithm(1 + y / alpha))


SIGMOID = Smooth(Fraction(0), Fraction(1), lambda y: _logarithm(y / (1 - y)))
TANH = Smooth(Fraction(-1), Fraction(1), lambda y: _logarithm((1 + y) / (1 - y)) / 2)
SOFTPLUS = Smooth(Fraction(0), None, lambda y: y + _logarithm(1 - _exponential(-y)))
