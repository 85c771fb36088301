"""Two branches that come from one tensor: what joins them again is a function of that tensor.

``x * sigmoid(x)`` is no product of two streams but one curve, whatever nodes it is written in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from pyqkit.graph.lowering.functions import Affine, Curve, Function, applied
from pyqkit.graph.lowering.jets import Jet
from pyqkit.graph.lowering.real import Real

Combine = Callable[[Jet, Jet], Jet]


def joined(left: Real, right: Real, combine: Combine) -> Real | None:
    """Both branches combined, as a function of the tensor that they come from; None if it is not one.

    Parameters
    ----------
    left, right : Real
    combine : callable
        Of what both branches are somewhere.
    """
    if any(side.raw or side.pool is not None or side.rows is not None for side in (left, right)):
        return None
    if left.base != right.base or not np.array_equal(left.view, right.view) or (left.view < 0).any():
        return None
    for first, second, swapped in ((left, right, False), (right, left, True)):
        line = _line(first, second)
        if line is not None:
            own, other = first.functions, (*line, *second.functions)
            sides = (other, own) if swapped else (own, other)
            return replace(first, functions=(_curve(*sides, combine),))
    return None


def _curve(left: tuple[Function, ...], right: tuple[Function, ...], combine: Combine) -> Curve:
    def forward(x: Jet, channel: int) -> Jet:
        return combine(applied(left, x, channel), applied(right, x, channel))

    return Curve(forward, all(function.uniform for function in (*left, *right)))


def _line(first: Real, second: Real) -> tuple[Function, ...] | None:
    """What makes the sum behind `second` of that behind `first`; None if no constants do."""
    known = {term.tensor: term.factor for term in first.terms}
    if known.keys() != {term.tensor for term in second.terms}:
        return None
    factors = []
    for channel in range(first.channels):
        pairs = {(known[term.tensor][channel], term.factor[channel]) for term in second.terms}
        shares = {b / a for a, b in pairs if a}
        if any(b and not a for a, b in pairs) or len(shares) > 1:
            return None
        factors.append(shares.pop() if shares else Fraction(0))
    factor = np.array(factors, object)
    offset = second.offset - factor * first.offset
    if (factor == 1).all() and (offset == 0).all():
        return ()
    return (Affine(factor, offset),)
