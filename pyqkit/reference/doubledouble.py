"""Numbers of 106 significand bits as unevaluated sums of two float64, with a bound of their error.

Sums and products of floats are split without error (Dekker 1971, Knuth), so an operation knows what it drops:
as long as values fit into 106 bits the bound is zero, and a comparison with a boundary, a tie included, is
exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

_SPLIT = 134217729.0  # 2**27 + 1 splits a float64 into two halves whose products are exact
_MORE = 1 + 2.0**-40  # bounds are themselves sums of a few rounded float64
_EXACT = np.zeros(())


def _exact() -> np.ndarray:
    return _EXACT


@dataclass(frozen=True, eq=False)
class DoubleDouble:
    """``high + low`` with ``|low| <= ulp(high) / 2``.

    Attributes
    ----------
    high, low : numpy.ndarray of float64, of one shape
    error : numpy.ndarray of float64
        Bound of the distance from the real number: of the same shape, or one zero where every element is
        exact.
    """

    high: np.ndarray
    low: np.ndarray
    error: np.ndarray = field(default_factory=_exact)

    @classmethod
    def of(cls, value: np.ndarray | np.floating | float) -> DoubleDouble:
        """Exact conversion of float64 or float32."""
        high = np.asarray(value, np.float64)
        return cls(high, np.zeros_like(high))

    @classmethod
    def of_fraction(cls, value: Fraction) -> DoubleDouble:
        """Nearest double-double (exact for up to 106 significand bits)."""
        high = float(value)
        low = float(value - Fraction(high))
        return cls(
            np.array(high),
            np.array(low),
            _bound(np.array(float(abs(value - Fraction(high) - Fraction(low))))),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.high.shape

    @property
    def is_exact(self) -> bool:
        """Whether nothing has been rounded."""
        return self.error.ndim == 0 and not self.error

    def map(self, how: Callable[[np.ndarray], np.ndarray]) -> DoubleDouble:
        """Apply a function that only moves elements, or scales them by powers of two."""
        return DoubleDouble(
            how(self.high), how(self.low), self.error if self.is_exact else how(self.spread_error())
        )

    def spread_error(self) -> np.ndarray:
        """The bound of every element."""
        return np.broadcast_to(self.error, self.shape)

    def within(self, error: np.ndarray) -> DoubleDouble:
        """The same numbers, farther by up to `error` from the real ones."""
        return DoubleDouble(self.high, self.low, _bound(self.error + error))

    def __add__(self, other: DoubleDouble) -> DoubleDouble:
        high, rest = _two_sum(self.high, other.high)
        if not self.low.any() and not other.low.any():
            return DoubleDouble(high, rest, _bound(self.error + other.error))
        low, tail = _two_sum(self.low, other.low)
        middle, first = _two_sum(rest, low)
        high, middle = _two_sum(high, middle)
        low, second = _two_sum(middle, tail)
        high, low = _two_sum(high, low)
        return DoubleDouble(high, low, _bound(self.error + other.error, first, second))

    def __neg__(self) -> DoubleDouble:
        return DoubleDouble(-self.high, -self.low, self.error)

    def __sub__(self, other: DoubleDouble) -> DoubleDouble:
        return self + -other

    def __mul__(self, other: DoubleDouble) -> DoubleDouble:
        high, rest = _two_product(self.high, other.high)
        passed = abs(self.high) * other.error + abs(other.high) * self.error + self.error * other.error
        if not other.low.any():
            self, other = other, self
        if not other.low.any():
            return DoubleDouble(high, rest, _bound(passed))
        cross, first = _two_product(self.high, other.low)
        dropped = [first]
        if self.low.any():
            two, second = _two_product(self.low, other.high)
            cross, third = _two_sum(cross, two)
            dropped += [second, third, self.low * other.low]
        low, last = _two_sum(rest, cross)
        high, low = _two_sum(high, low)
        return DoubleDouble(high, low, _bound(2 * passed, last, *dropped))

    def divided(self, divisor: DoubleDouble | np.ndarray | float) -> DoubleDouble:
        """Quotient, exact where it has at most 106 bits."""
        other = divisor if isinstance(divisor, DoubleDouble) else DoubleDouble.of(divisor)
        rest, parts = self, []
        for _ in range(3):
            parts.append(DoubleDouble.of(rest.high / other.high))
            rest = rest - other * parts[-1]
        quotient = parts[0] + parts[1] + parts[2]
        return quotient.within(2 * (abs(rest.high) + rest.error) / abs(other.high))

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
                first, second = (moved.map(lambda a, s=s: a[s]) for s in (slice(half), slice(half, 2 * half)))  # type: ignore[misc]
                pair = first + second
                moved = pair if not odd else concatenated([pair, moved.map(lambda a: a[-1:])], 0)
            result = moved.map(lambda a, axis=axis: np.moveaxis(a, 0, axis))  # type: ignore[misc]
        return result


def where(condition: np.ndarray, yes: DoubleDouble, no: DoubleDouble) -> DoubleDouble:
    """Element by element, `yes` where the condition holds and `no` elsewhere."""
    error = _EXACT if yes.is_exact and no.is_exact else np.where(condition, yes.error, no.error)
    return DoubleDouble(np.where(condition, yes.high, no.high), np.where(condition, yes.low, no.low), error)


def concatenated(parts: list[DoubleDouble], axis: int) -> DoubleDouble:
    """Tensors side by side."""
    error = (
        _EXACT if all(p.is_exact for p in parts) else np.concatenate([p.spread_error() for p in parts], axis)
    )
    return DoubleDouble(
        np.concatenate([p.high for p in parts], axis), np.concatenate([p.low for p in parts], axis), error
    )


def _bound(known: np.ndarray, *dropped: np.ndarray) -> np.ndarray:
    """A bound of what was known already and of parts that were dropped; one zero if there is nothing."""
    total = known
    for part in dropped:
        if part.any():
            total = total + abs(part)
    total = np.asarray(total)
    return total * _MORE if total.any() else _EXACT


def _two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    product = a * b
    a_high, b_high = (_SPLIT * x - (_SPLIT * x - x) for x in (a, b))
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
