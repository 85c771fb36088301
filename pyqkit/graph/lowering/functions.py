"""Functions of one number that wait for a quantiser: activation functions, and constants behind them.

A quantiser needs either the inverse of a function at its boundaries (`Invertible`, monotone), or the function
itself on enclosures (`Function`), from which `pieces` finds where it passes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol, runtime_checkable

import numpy as np

from pyqkit.graph.lowering.intervals import Number
from pyqkit.graph.lowering.jets import Jet

Fractions = np.ndarray  # of dtype object, holding Fraction, shape (channels,)


@dataclass(frozen=True)
class Condition:
    """``value > position``, or ``>=`` if inclusive.

    `below` means the opposite: ``<``, or ``<=`` if inclusive.
    """

    position: Fraction
    inclusive: bool
    below: bool = False

    def complement(self) -> Condition:
        """The condition that holds exactly where this one does not."""
        return Condition(self.position, not self.inclusive, not self.below)


Outcome = Condition | bool  # always or never


def _not(outcome: Outcome) -> Outcome:
    return (not outcome) if isinstance(outcome, bool) else outcome.complement()


def compare(value: Fraction, condition: Condition) -> bool:
    """Whether a constant fulfils a condition."""
    if condition.below:
        return value < condition.position or (condition.inclusive and value == condition.position)
    return value > condition.position or (condition.inclusive and value == condition.position)


def decided(value: Number, outcome: Outcome) -> bool | None:
    """Whether an enclosure fulfils a condition; None where that depends on what it encloses."""
    if isinstance(outcome, bool):
        return outcome
    if isinstance(value, Fraction):
        return compare(value, outcome)
    if value.low > outcome.position:
        return not outcome.below
    return outcome.below if value.high < outcome.position else None


class Function(Protocol):
    """What a quantiser behind it needs of any function."""

    @property
    def increasing(self) -> bool:
        """Whether no channel falls anywhere."""
        ...

    @property
    def uniform(self) -> bool:
        """Whether all channels have the same function."""
        ...

    def at(self, x: Jet, channel: int) -> Jet:
        """The function of an enclosure."""
        ...


@runtime_checkable
class Invertible(Function, Protocol):
    """A function that rises or falls throughout."""

    def before(self, condition: Condition, channel: int) -> Outcome:
        """The condition on the input that is equivalent to `condition` on the output."""
        ...


def applied(functions: tuple[Function, ...], x: Jet, channel: int) -> Jet:
    """Functions of an enclosure, one after the other."""
    left = list(functions)
    while left:
        function = left.pop(0)
        more = getattr(function, "and_one", None)
        share = left[0].of_one_more(channel) if more and left and isinstance(left[0], Affine) else None
        if more is None or share is None:
            x = function.at(x, channel)
        else:
            x = more(x) * share
            left.pop(0)
    return x


@dataclass(frozen=True)
class Clip:
    """Limits to [low, high]; None is no limit. ReLU is Clip(0, None)."""

    low: Fraction | None
    high: Fraction | None

    increasing = True
    uniform = True

    def before(self, condition: Condition, channel: int) -> Outcome:
        if condition.below:
            return _not(self.before(condition.complement(), channel))
        position, inclusive = condition.position, condition.inclusive
        if self.low is not None and (position < self.low or (inclusive and position == self.low)):
            return True
        if self.high is not None and (position > self.high or (not inclusive and position == self.high)):
            return False
        return condition

    def at(self, x: Jet, channel: int) -> Jet:
        x = x if self.low is None else x.maximum(x.constant(self.low))
        return x if self.high is None else x.minimum(x.constant(self.high))


@dataclass(frozen=True, eq=False)
class Affine:
    """factor[c] * x + offset[c] after another function."""

    factor: Fractions
    offset: Fractions

    @property
    def increasing(self) -> bool:
        """Whether no channel falls."""
        return all(f >= 0 for f in self.factor)

    @property
    def uniform(self) -> bool:
        """Whether all channels have the same numbers."""
        return all((values == values[0]).all() for values in (self.factor, self.offset))

    def _of(self, channel: int) -> tuple[Fraction, Fraction]:
        # Moves may have changed how many channels there are; then all have the same numbers.
        place = channel if channel < len(self.factor) else 0
        return self.factor[place], self.offset[place]

    def of_one_more(self, channel: int) -> Fraction | None:
        """The factor by which this multiplies x + 1; None if it does something else."""
        factor, offset = self._of(channel)
        return factor if factor == offset else None

    def before(self, condition: Condition, channel: int) -> Outcome:
        factor, offset = self._of(channel)
        if factor == 0:
            return compare(offset, condition)
        position = (condition.position - offset) / factor
        return Condition(position, condition.inclusive, condition.below != (factor < 0))

    def at(self, x: Jet, channel: int) -> Jet:
        factor, offset = self._of(channel)
        return x * factor + offset


@dataclass(frozen=True, eq=False)
class Leaky:
    """slope[c] * x for negative x, slope > 0."""

    slope: Fractions

    increasing = True

    @property
    def uniform(self) -> bool:
        """Whether all channels have the same slope."""
        return bool((self.slope == self.slope[0]).all())

    def _of(self, channel: int) -> Fraction:
        return self.slope[channel if channel < len(self.slope) else 0]

    def before(self, condition: Condition, channel: int) -> Outcome:
        if condition.position >= 0:
            return condition
        return replace(condition, position=condition.position / self._of(channel))

    def at(self, x: Jet, channel: int) -> Jet:
        slope = self._of(channel)
        zero = x.constant(Fraction(0))
        return x.maximum(zero) + x.minimum(zero) * slope


@dataclass(frozen=True, eq=False)
class Jump:
    """x above a limit that is not negative, 0 elsewhere."""

    limit: Fraction

    increasing = True
    uniform = True

    def before(self, condition: Condition, channel: int) -> Outcome:
        if condition.below:
            return _not(self.before(condition.complement(), channel))
        if compare(Fraction(0), condition):
            return True
        return condition if condition.position > self.limit else Condition(self.limit, False)

    def at(self, x: Jet, channel: int) -> Jet:
        return x.chosen_above(self.limit, x, x.constant(Fraction(0)))


@dataclass(frozen=True, eq=False)
class Sign:
    """-1, 0 or 1."""

    increasing = True
    uniform = True

    def before(self, condition: Condition, channel: int) -> Outcome:
        if condition.below:
            return _not(self.before(condition.complement(), channel))
        steps: tuple[tuple[int, Outcome], ...] = (
            (-1, True),
            (0, Condition(Fraction(0), True)),
            (1, Condition(Fraction(0), False)),
        )
        return next((passed for value, passed in steps if compare(Fraction(value), condition)), False)

    def at(self, x: Jet, channel: int) -> Jet:
        one, zero = (x.constant(Fraction(value)) for value in (1, 0))
        return x.chosen_above(Fraction(0), one, zero) - (-x).chosen_above(Fraction(0), one, zero)


@dataclass(frozen=True, eq=False)
class Curve:
    """Any function that has no inverse here.

    Attributes
    ----------
    forward : callable
        Of an enclosure and the channel.
    uniform, increasing : bool
    and_one : callable or None
        Of an enclosure: the function and 1, to all digits where that is small.
    """

    forward: Callable[[Jet, int], Jet]
    uniform: bool = True
    increasing: bool = False
    and_one: Callable[[Jet], Jet] | None = None

    def at(self, x: Jet, channel: int) -> Jet:
        """The function of an enclosure."""
        return self.forward(x, channel)
