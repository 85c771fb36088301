"""Enclosures: numbers that are known exactly, or to lie between two decimals, whatever rounding does.

Sums, products and quotients are rounded outwards. `decimal` rounds its exponential and logarithm correctly
(General Decimal Arithmetic Specification 1.70), so their neighbours enclose them; every other function is
made of these by formulas that lose no digits, with a bound of what a series leaves out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from math import isqrt

_ONE, _TWO, _FAR = Decimal(1), Decimal(2), Decimal(9)


@dataclass(frozen=True)
class Interval:
    """A real number from `low` to `high`."""

    low: Decimal
    high: Decimal


Number = Fraction | Interval  # a Fraction is exact
Enclose = Callable[["Arithmetic", Decimal], Interval]


class NoValue(ArithmeticError):
    """A function has no value somewhere in an interval; the message is half a sentence."""


class Arithmetic:
    """Operations on enclosures with so many digits."""

    def __init__(self, digits: int) -> None:
        self.digits = digits
        self.down, self.up, self.near = (
            Context(prec=digits, rounding=rounding, Emin=MIN_EMIN, Emax=MAX_EMAX)
            for rounding in (ROUND_FLOOR, ROUND_CEILING, ROUND_HALF_EVEN)
        )

    def enclosed(self, x: Number) -> Interval:
        """An exact number between two decimals, others as they are."""
        if isinstance(x, Interval):
            return x
        numerator, denominator = Decimal(x.numerator), Decimal(x.denominator)
        return Interval(self.down.divide(numerator, denominator), self.up.divide(numerator, denominator))

    def between(self, low: Fraction, high: Fraction) -> Interval:
        """All numbers from `low` to `high`."""
        return Interval(self.enclosed(low).low, self.enclosed(high).high)

    def add(self, a: Number, b: Number) -> Number:
        """``a + b``."""
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return a + b
        x, y = self.enclosed(a), self.enclosed(b)
        return Interval(self.down.add(x.low, y.low), self.up.add(x.high, y.high))

    def negative(self, a: Number) -> Number:
        """``-a``."""
        return -a if isinstance(a, Fraction) else Interval(a.high.copy_negate(), a.low.copy_negate())

    def multiply(self, a: Number, b: Number) -> Number:
        """``a * b``; exactly zero if one of them is."""
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return a * b
        if a == 0 or b == 0:
            return Fraction(0)
        x, y = self.enclosed(a), self.enclosed(b)
        pairs = [(p, q) for p in (x.low, x.high) for q in (y.low, y.high)]
        return Interval(
            min(self.down.multiply(p, q) for p, q in pairs), max(self.up.multiply(p, q) for p, q in pairs)
        )

    def reciprocal(self, a: Number) -> Number:
        """``1 / a``."""
        if sign(a) is None or a == 0:
            raise NoValue("divides by numbers around zero")
        if isinstance(a, Fraction):
            return 1 / a
        return Interval(self.down.divide(_ONE, a.high), self.up.divide(_ONE, a.low))

    def rising(self, enclose: Enclose, a: Number) -> Interval:
        """A rising function, of which `enclose` gives the value at one place."""
        x = self.enclosed(a)
        at_low = enclose(self, x.low)
        return at_low if x.low == x.high else Interval(at_low.low, enclose(self, x.high).high)

    def exponential(self, x: Decimal) -> Interval:
        """e to the power of x."""
        found = self.near.exp(x)
        return Interval(max(self.near.next_minus(found), Decimal(0)), self.near.next_plus(found))

    def logarithm(self, x: Decimal) -> Interval:
        """Natural logarithm."""
        if x <= 0:
            raise NoValue(f"takes the logarithm of numbers down to {float(x):g}")
        found = self.near.ln(x)
        return Interval(self.near.next_minus(found), self.near.next_plus(found))

    def root(self, x: Decimal) -> Interval:
        """Square root."""
        if x < 0:
            raise NoValue(f"takes the square root of numbers down to {float(x):g}")
        found = self.near.sqrt(x)
        return Interval(max(self.near.next_minus(found), Decimal(0)), self.near.next_plus(found))

    def _finer(self, x: Decimal) -> Arithmetic:
        """With so many more digits that a sum with 1 keeps those of a small number."""
        return arithmetic(self.digits + max(0, -x.adjusted()) + 3)

    def exponential_less_one(self, x: Decimal) -> Interval:
        """e to the power of x, less 1."""
        if not x:
            return Interval(x, x)
        if x.adjusted() < -self.digits:  # x <= exp(x) - 1 <= x + x**2
            return Interval(self.down.plus(x), self.up.add(x, self.up.multiply(x, x)))
        finer = self._finer(x)
        power = finer.exponential(x)
        return Interval(self.down.subtract(power.low, _ONE), self.up.subtract(power.high, _ONE))

    def logarithm_of_one_more(self, x: Decimal) -> Interval:
        """Natural logarithm of 1 + x, x not negative."""
        if not x:
            return Interval(x, x)
        if x.adjusted() < -self.digits:  # x - x**2 <= log(1 + x) <= x
            return Interval(self.down.subtract(x, self.up.multiply(x, x)), self.up.plus(x))
        finer = self._finer(x)
        return Interval(
            self.down.plus(finer.logarithm(finer.down.add(x, _ONE)).low),
            self.up.plus(finer.logarithm(finer.up.add(x, _ONE)).high),
        )

    def sigmoid(self, x: Decimal) -> Interval:
        """``1 / (1 + exp(-x))``."""
        power = self.exponential(x.copy_abs().copy_negate())
        if x < 0:
            return Interval(
                self.down.divide(power.low, self.up.add(_ONE, power.low)),
                self.up.divide(power.high, self.down.add(_ONE, power.high)),
            )
        return Interval(
            self.down.divide(_ONE, self.up.add(_ONE, power.high)),
            self.up.divide(_ONE, self.down.add(_ONE, power.low)),
        )

    def tangent(self, x: Decimal) -> Interval:
        """Hyperbolic tangent."""
        if x < 0:
            found = self.tangent(x.copy_negate())
            return Interval(found.high.copy_negate(), found.low.copy_negate())
        rest = self.exponential_less_one(_WIDEST.multiply(x, Decimal(-2)))
        return Interval(
            self.down.divide(rest.high.copy_negate(), self.up.add(_TWO, rest.high)),
            self.up.divide(rest.low.copy_negate(), self.down.add(_TWO, rest.low)),
        )

    def softplus(self, x: Decimal) -> Interval:
        """``log(1 + exp(x))``."""
        power = self.exponential(x.copy_abs().copy_negate())
        low = self.logarithm_of_one_more(power.low).low
        high = self.logarithm_of_one_more(power.high).high
        return Interval(low, high) if x < 0 else Interval(self.down.add(x, low), self.up.add(x, high))

    def normal(self, x: Decimal) -> Interval:
        """Standard normal distribution, ``(1 + erf(x / sqrt(2))) / 2``.

        The integral of the density from 0 to x is the density times x + x**3 / 3 + x**5 / 15 + ..., which
        has no differences. Far out the tail is below ``density / x`` and above that times ``1 - 1 / x**2``
        (Gordon 1941).
        """
        size, square = x.copy_abs(), self.multiply(Interval(x, x), Interval(x, x))
        assert isinstance(square, Interval)
        density = self.multiply(self.rising(Arithmetic.exponential, self._halved(square)), self.density_scale)
        tail = Interval(Decimal(0), _ONE)
        if square.low <= 5 * self.digits:
            middle = self.multiply(density, self._odd_series(size))
            if x >= 0:
                return self.enclosed(self.add(Fraction(1, 2), middle))
            tail = self.enclosed(self.add(Fraction(1, 2), self.negative(middle)))
        if square.low > _FAR:
            outside = self._mills(self.enclosed(density), size, square)
            tail = Interval(max(tail.low, outside.low), min(tail.high, outside.high))
        return tail if x < 0 else self.enclosed(self.add(Fraction(1), self.negative(tail)))

    def _mills(self, density: Interval, size: Decimal, square: Interval) -> Interval:
        low = self.down.subtract(_ONE, self.up.divide(_ONE, square.low))
        return Interval(
            self.down.divide(self.down.multiply(density.low, low), size), self.up.divide(density.high, size)
        )

    def _halved(self, square: Interval) -> Interval:
        return self.enclosed(self.multiply(square, Fraction(-1, 2)))

    def _odd_series(self, x: Decimal) -> Interval:
        """Sum over k of x**(2k + 1) / (1 * 3 * ... * (2k + 1)), x not negative."""
        if not x:
            return Interval(x, x)
        ends = []
        for context in (self.down, self.up):
            square, term, total, factor = context.multiply(x, x), context.plus(x), context.plus(x), 1
            # Terms fall by half and more once a factor is below a half: what follows is less than the last.
            while square > factor // 2 or term.adjusted() > total.adjusted() - self.digits - 2:
                factor += 2
                term = context.divide(context.multiply(term, square), Decimal(factor))
                total = context.add(total, term)
            ends.append(total if context is self.down else context.add(total, term))
        return Interval(*ends)

    @property
    def density_scale(self) -> Interval:
        """``1 / sqrt(2 * pi)``."""
        return _density_scale(self.digits)


@lru_cache(maxsize=64)
def arithmetic(digits: int) -> Arithmetic:
    """The arithmetic of so many digits."""
    return Arithmetic(digits)


@lru_cache(maxsize=64)
def pi(digits: int) -> Interval:
    """The number pi by Machin's formula, between two decimals."""
    one = 10 ** (digits + 10)
    found = 4 * (4 * _arctangent(5, one) - _arctangent(239, one))
    loss = 40 * digits + 400  # each term of either series is cut, and counted at most 16 times
    return Interval(*(Decimal(found + side).scaleb(-digits - 10, _WIDEST) for side in (-loss, loss)))


_WIDEST = Context(prec=100_000)


def _arctangent(divisor: int, one: int) -> int:
    """Arctangent of 1 / divisor in units of 1 / one, cut off."""
    power, total, place = one // divisor, 0, 0
    while power:
        total += (-1) ** place * (power // (2 * place + 1))
        power, place = power // divisor**2, place + 1
    return total


@lru_cache(maxsize=64)
def _density_scale(digits: int) -> Interval:
    finer = arithmetic(digits + 5)
    root = finer.rising(Arithmetic.root, finer.multiply(pi(digits + 5), Fraction(2)))
    found = finer.reciprocal(root)
    assert isinstance(found, Interval)
    return found


def sign(a: Number) -> int | None:
    """-1, 0 or 1; None where it is not known."""
    if isinstance(a, Fraction):
        return (a > 0) - (a < 0)
    return 1 if a.low > 0 else -1 if a.high < 0 else None


def exact_root(x: Fraction) -> Fraction | None:
    """Square root of the square of a fraction; None for other numbers."""
    if x < 0:
        return None
    found = Fraction(isqrt(x.numerator), isqrt(x.denominator))
    return found if found * found == x else None
