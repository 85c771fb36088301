"""Thresholds: the boundaries of a format pulled back through functions and scales to integers."""

from __future__ import annotations

from fractions import Fraction
from math import lcm

import numpy as np

from pyqkit.formats import Boundary
from pyqkit.graph.graph import Tensor
from pyqkit.graph.lowering.functions import Condition, Fractions, Invertible, Outcome, compare
from pyqkit.graph.lowering.real import Real


def before(functions: tuple[Invertible, ...], condition: Condition, channel: int) -> Outcome:
    """The condition on what functions are applied to that is equivalent to one on what comes out."""
    outcome: Outcome = condition
    for function in reversed(functions):
        if isinstance(outcome, bool):
            return outcome
        outcome = function.before(outcome, channel)
    return outcome


def thresholds_of(
    tensor: Tensor, real: Real, boundaries: tuple[Boundary, ...], scale: Fractions
) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds and falling flags of a `Threshold`, exactly.

    Parameters
    ----------
    tensor : Tensor
        The one that is requantised.
    real : Real
        Of this one term.
    boundaries : tuple of Boundary
        In values of the format.
    scale : numpy.ndarray of Fraction, shape (channels,)
        Real value of the format's value 1.

    Returns
    -------
    thresholds : numpy.ndarray, int64, shape (channels, boundaries)
    falling : numpy.ndarray, bool, shape (channels,)
    """
    thresholds = np.empty((real.channels, len(boundaries)), np.int64)
    falling = np.zeros(real.channels, bool)
    functions = tuple(f for f in real.functions if isinstance(f, Invertible))
    assert functions == real.functions, "others have tables"
    (term,) = real.terms

    def outcomes_of(channel: int) -> list[Outcome]:
        conditions = [Condition(b.position * scale[channel], b.inclusive) for b in boundaries]
        return [before(functions, condition, channel) for condition in conditions]

    uniform = all(s == scale[0] for s in scale) and all(f.uniform for f in real.functions)
    shared = outcomes_of(0) if uniform else None
    known: dict[tuple[Fraction, Fraction], tuple[list[int], bool]] = {}  # of channels with the same outcomes
    for channel in range(real.channels):
        factor, offset = term.factor[channel], real.offset[channel]
        found = known.get((factor, offset))
        if found is None:
            outcomes = shared or outcomes_of(channel)
            found = _channel_thresholds(tensor, outcomes, factor, offset)
            if uniform:
                known[factor, offset] = found
        thresholds[channel], falling[channel] = found
    return thresholds, falling


def _channel_thresholds(
    tensor: Tensor, outcomes: list[Outcome], factor: Fraction, offset: Fraction
) -> tuple[list[int], bool]:
    """First integer of each step: conditions on ``factor * x + offset`` turned into ``x >= threshold``."""
    always, never = tensor.low, tensor.high + 1
    if factor == 0:
        outcomes = [o if isinstance(o, bool) else compare(offset, o) for o in outcomes]
    negative = factor < 0
    falls = any(not isinstance(o, bool) and o.below != negative for o in outcomes)
    common = lcm(factor.denominator, offset.denominator)
    slope, shift = int(factor * common), int(offset * common)
    found = []
    for outcome in outcomes:
        if isinstance(outcome, bool):
            # A falling channel counts the steps from the top: the step is passed while x stays below its
            # threshold.
            found.append(always if outcome != falls else never)
            continue
        position = outcome.position
        # factor*x + offset ? p/q  <=>  x ? (p*common - q*shift) / (q*slope)
        numerator = position.numerator * common - position.denominator * shift
        denominator = position.denominator * slope
        if denominator < 0:
            numerator, denominator = -numerator, -denominator
        # Rising: x >= q begins at ceil(q), x > q at floor(q) + 1.
        # Falling: x <= q fails from floor(q) + 1 on, x < q from ceil(q) on.
        ceiling = outcome.inclusive != falls
        value = -(-numerator // denominator) if ceiling else numerator // denominator + 1
        found.append(min(max(value, always), never))
    return (found[::-1] if falls else found), falls
