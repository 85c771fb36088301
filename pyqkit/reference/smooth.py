"""Activation functions without corners, to about 90 bits, with a bound of their error.

They are computed in double-double arithmetic.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from pyqkit.reference.doubledouble import DoubleDouble, where

_LARGE = 600.0  # beyond, e**-x stays at this value: no boundary lies between it and zero
_HALVINGS = 9
_LOG_2 = DoubleDouble.of_fraction(
    Fraction("0.693147180559945309417232121458176568075500134360255254120680009")
)
_ONE = DoubleDouble.of(1.0)
_SERIES = 2.0**-88  # relative error of the exponential: nine squarings double that of its series nine times


def exponential(x: DoubleDouble) -> DoubleDouble:
    """e to the power of x, for |x| up to 700.

    Of numbers that codes stand for there are few, so that each is computed once.
    """
    if not x.is_exact:
        return _exponential(x)
    _, first, places = np.unique(x.high + 1j * x.low, return_index=True, return_inverse=True)
    once = _exponential(x.map(lambda a: a.ravel()[first]))
    return once.map(lambda a: a[places.reshape(x.shape)])


def _exponential(x: DoubleDouble) -> DoubleDouble:
    turns = np.rint(x.high / float(_LOG_2.high))
    rest = _given(x) - _given(_LOG_2) * DoubleDouble.of(turns)
    rest = rest.map(lambda a: a / 2**_HALVINGS)
    total = term = DoubleDouble.of(np.ones_like(x.high))
    for n in range(1, 12):  # the rest is below 2**-10, so the next term is below 2**-140
        term = _given((term * rest).divided(float(n)))
        total = _given(total + term)
    for _ in range(_HALVINGS):
        total = _given(total * total)
    found = total.map(lambda a: np.ldexp(a, turns.astype(int)))
    return found.within(abs(found.high) * (_SERIES + 2 * x.error))


def _given(x: DoubleDouble) -> DoubleDouble:
    """The number without its bound, where a bound is stated for the whole function."""
    return DoubleDouble(x.high, x.low)


def _decay(x: DoubleDouble) -> DoubleDouble:
    """e to the power of -|x|."""
    magnitude = where(x.high < 0, x, -x)
    return exponential(where(magnitude.high < -_LARGE, DoubleDouble.of(-_LARGE), magnitude))


def sigmoid(x: DoubleDouble) -> DoubleDouble:
    """1 / (1 + e**-x)."""
    small = _decay(x)
    share = small.divided(_ONE + small)  # the smaller of the two sides
    return _at_zero(x, where(x.high < 0, share, _ONE - share), 0.5)


def tanh(x: DoubleDouble) -> DoubleDouble:
    """(e**x - e**-x) / (e**x + e**-x)."""
    small = _decay(x + x)
    share = small.divided(_ONE + small)
    size = _ONE - (share + share)
    return _at_zero(x, where(x.high < 0, -size, size), 0.0)


def elu(x: DoubleDouble, alpha: np.floating) -> DoubleDouble:
    """x, or alpha * (e**x - 1) below zero."""
    steepest = max(1.0, abs(float(alpha)))
    found = where(x.high < 0, DoubleDouble.of(alpha) * (_decay(x) - _ONE), x)
    return _at_zero(x, found.within(2 * steepest * x.error), 0.0)


def softplus(x: DoubleDouble) -> DoubleDouble:
    """log(1 + e**x) = max(x, 0) + log(1 + e**-|x|), that logarithm by Newton's method on the exponential."""
    small = _decay(x)
    target = _given(_ONE + small)
    found = DoubleDouble.of(np.log1p(small.high))
    for _ in range(2):
        found = _given(found + target * _given(exponential(-found)) - _ONE)
    # Below 2**-50 the logarithm is its argument, less half of its square: Newton's method would lose it
    # beside the 1.
    tiny = small.high < 2.0**-50
    found = where(tiny, _given(small - (small * small).map(lambda a: a / 2)), found)
    found = found.within(np.where(tiny, small.high**3 + small.error, 4 * _SERIES) + x.error)
    return where(x.high < 0, DoubleDouble.of(0.0), x) + found


def _at_zero(x: DoubleDouble, found: DoubleDouble, value: float) -> DoubleDouble:
    """The function's exact value where its argument is exactly zero."""
    zero = (x.high == 0) & (x.spread_error() == 0)
    return where(zero, DoubleDouble.of(value), found)
