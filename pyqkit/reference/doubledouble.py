"""Numbers of 106 significand bits as unevaluated sums of two float64, element by element (Dekker 1971, Knuth)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

_SPLIT = 134217729.0  # 2**27 + 1 splits a float64 into two halves whose products are exact


@dataclass(frozen=True, eq=False)
class DoubleDouble:
    """``high + low`` with ``|low| <= ulp(high) / 2``."""

    high: np.ndarray
    low: np.ndarray

    @classmethod
    def of(cls, value: np.ndarray | np.floating | float) -> DoubleDouble:
        """Exact conversion of float64 or float32."""
        high = np.asarray(value, np.float64)
        return cls(high, np.zeros_like(high))

    @classmethod
    def of_fraction(cls, value: Fraction) -> DoubleDouble:
        """Nearest double-double (exact for up to 106 significand bits)."""
        high = float(value)
        return cls(np.array(high), np.array(float(value - Fraction(high))))

    def map(self, how: Callable[[np.ndarray], np.ndarray]) -> DoubleDouble:
        """Apply a function that only moves elements."""
        return DoubleDouble(how(self.high), how(self.low))

    def __add__(self, other: DoubleDouble) -> DoubleDouble:
        high, error = _two_sum(self.high, other.high)
        low, rest = _two_sum(self.low, other.low)
        high, error = _quick_two_sum(high, error + low)
        return DoubleDouble(*_quick_two_sum(high, error + rest))

    def __mul__(self, other: DoubleDouble) -> DoubleDouble:
        high, error = _two_product(self.high, other.high)
        return DoubleDouble(*_quick_two_sum(high, error + (self.high * other.low + self.low * other.high)))

    def divided(self, divisor: np.ndarray | float) -> DoubleDouble:
        """Quotient by a float64, exact where the quotient has at most 106 bits."""
        divisor = np.asarray(divisor, np.float64)
        first = self.high / divisor
        rest = self + -_exact_product(first, divisor)
        second = rest.high / divisor
        rest = rest + -_exact_product(second, divisor)
        high, low = _quick_two_sum(first, second)
        return DoubleDouble(*_quick_two_sum(high, low + rest.high / divisor))

    def __neg__(self) -> DoubleDouble:
        return DoubleDouble(-self.high, -self.low)

    def less(self, other: DoubleDouble) -> np.ndarray:
        """Element by element, ``self < other``."""
        return (self.high < other.high) | ((self.high == other.high) & (self.low < other.low))

    def total(self, axes: tuple[int, ...]) -> DoubleDouble:
        """Sum over axes, kept with length 1, pairwise."""
        result = self
        for axis in axes:
            moved = result.map(lambda a, axis=axis: np.moveaxis(a, axis, 0))  # type: ignore[misc]
            while len(moved.high) > 1:
                half, odd = divmod(len(moved.high), 2)
                pair = moved.map(lambda a, n=half: a[:n]) + moved.map(lambda a, n=half: a[n : 2 * n])  # type: ignore[misc]
                moved = pair if not odd else _joined(pair, moved.map(lambda a: a[-1:]))
            result = moved.map(lambda a, axis=axis: np.moveaxis(a, 0, axis))  # type: ignore[misc]
        return result


def where(condition: np.ndarray, yes: DoubleDouble, no: DoubleDouble) -> DoubleDouble:
    """Element by element, `yes` where the condition holds and `no` elsewhere."""
    return DoubleDouble(np.where(condition, yes.high, no.high), np.where(condition, yes.low, no.low))


def _joined(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    return DoubleDouble(np.concatenate([a.high, b.high]), np.concatenate([a.low, b.low]))


def _two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _quick_two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = a + b
    return total, b - (total - a)


def _two_product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    product = a * b
    a_high, b_high = (_SPLIT * x - (_SPLIT * x - x) for x in (a, b))
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _exact_product(a: np.ndarray, b: np.ndarray) -> DoubleDouble:
    return DoubleDouble(*_two_product(a, b))
