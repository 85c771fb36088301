"""Activation functions without corners in double-double arithmetic, to about 90 bits of the larger of 1 and the result."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from pyqkit.reference.doubledouble import DoubleDouble, where

_LARGE = 300.0  # beyond, e**-x is nothing beside 1 in 106 bits
_HALVINGS = 9
_LOG_2 = DoubleDouble.of_fraction(Fraction("0.693147180559945309417232121458176568075500134360255254120680009"))
_ONE = DoubleDouble.of(1.0)


def exponential(x: DoubleDouble) -> DoubleDouble:
    """e to the power of x, for |x| up to 700."""
    turns = np.rint(x.high / float(_LOG_2.high))
    rest = (x + -(_LOG_2 * DoubleDouble.of(turns))).map(lambda a: a / 2**_HALVINGS)
    total = term = DoubleDouble.of(np.ones_like(x.high))
    for n in range(1, 12):  # the rest is below 2**-10, so the next term is below 2**-140
        term = (term * rest).divided(float(n))
        total = total + term
    for _ in range(_HALVINGS):
        total = total * total
    return total.map(lambda a: np.ldexp(a, turns.astype(int)))


def _reciprocal(x: DoubleDouble) -> DoubleDouble:
    """1 / x by Newton's method."""
    two, found = DoubleDouble.of(2.0), DoubleDouble.of(1.0 / x.high)
    for _ in range(2):
        found = found * (two + -(x * found))
    return found


def _decay(x: DoubleDouble) -> DoubleDouble:
    """e to the power of -|x|."""
    magnitude = where(x.high < 0, x, -x)
    return exponential(where(magnitude.high < -_LARGE, DoubleDouble.of(-_LARGE), magnitude))


def sigmoid(x: DoubleDouble) -> DoubleDouble:
    """1 / (1 + e**-x)."""
    small = _decay(x)
    share = _reciprocal(_ONE + small)
    return where(x.high < 0, small * share, share)


def tanh(x: DoubleDouble) -> DoubleDouble:
    """(e**x - e**-x) / (e**x + e**-x)."""
    small = _decay(x + x)
    size = (_ONE + -small) * _reciprocal(_ONE + small)
    return where(x.high < 0, -size, size)


def elu(x: DoubleDouble, alpha: np.floating) -> DoubleDouble:
    """x, or alpha * (e**x - 1) below zero."""
    return where(x.high < 0, DoubleDouble.of(alpha) * (_decay(x) + -_ONE), x)


def softplus(x: DoubleDouble) -> DoubleDouble:
    """log(1 + e**x) = max(x, 0) + log(1 + e**-|x|), that logarithm by Newton's method on the exponential."""
    target = _ONE + _decay(x)
    found = DoubleDouble.of(np.log1p(target.high - 1.0))
    for _ in range(2):
        found = found + target * exponential(-found) + -_ONE
    return where(x.high < 0, DoubleDouble.of(0.0), x) + found
