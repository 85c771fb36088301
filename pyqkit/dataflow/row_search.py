"""The table of a binary search whose limits grow with a total of the row: of a sum, or of a root.

A number x that belongs to an element has reached a boundary where ``x >= limit * total``, or ``x > limit *
total`` where the limit is strict: integers all of them, so that nothing is divided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import gcd, lcm

import numpy as np

from pyqkit.formats import Boundary
from pyqkit.graph.ops.softmax import Softmax


@dataclass(frozen=True, eq=False)
class RowSearch:
    """Limits and codes filled up to a power of two, by the last of them.

    Attributes
    ----------
    steps : int
        Comparisons, each of which finds a bit of the place.
    limits : tuple of int
        ``2**steps - 1``, which do not fall.
    strict : tuple of bool
        Of each limit.
    codes : numpy.ndarray, shape (2**steps,)
        By place, the number of limits that are reached.
    in_turn : bool
        Whether there is one comparison, which a number passes for every bit of its place, in place of one for
        each bit.
    """

    steps: int
    limits: tuple[int, ...]
    strict: tuple[bool, ...]
    codes: np.ndarray
    in_turn: bool = False

    @property
    def pace(self) -> int:
        """Cycles from a number to the next one."""
        return self.steps if self.in_turn else 1

    @property
    def bits(self) -> int:
        """Of a signed integer that holds every limit."""
        return max(abs(limit) for limit in self.limits).bit_length() + 1

    def of_step(self, step: int) -> list[int]:
        """Limits that decide bit `step` of the place, one for each value of the bits above it.

        Each is doubled, and 1 more if it is strict.
        """
        entries = [2 * limit + strict for limit, strict in zip(self.limits, self.strict)]
        return entries[2**step - 1 :: 2 ** (step + 1)]

    def memories(self) -> list[list[int]]:
        """Entries of every comparison, the first first.

        They stand by the bits above; of the only one by a 1 and the bits above, and nobody reads that at 0.
        """
        steps = [self.of_step(step) for step in reversed(range(self.steps))]
        return [[*steps[0], *chain.from_iterable(steps)]] if self.in_turn else steps


def row_search(limits: Sequence[int], strict: Sequence[bool], codes: np.ndarray) -> RowSearch:
    """The table of limits that do not fall, with one code more than limits."""
    steps = max(1, len(limits).bit_length())
    missing = 2**steps - 1 - len(limits)
    last = limits[-1] if limits else 0
    filled = (*limits, *([last] * missing)), (*strict, *([bool(strict and strict[-1])] * missing))
    return RowSearch(steps, *filled, np.pad(codes, (0, missing), "edge"))


@dataclass(frozen=True, eq=False)
class Shares:
    """What decides the code of a share: its term times a factor among limits times the sum of the row.

    Attributes
    ----------
    factors : list of int
        One for each pass.
    search : RowSearch
        Of the boundaries alone that a share from 0 to 1 may lie on either side of.
    term_bits, exponent_bits : int
        Of terms, and of exponents counted from the least one.
    """

    factors: list[int]
    search: RowSearch
    term_bits: int
    exponent_bits: int


def shares(variants: Sequence[Softmax]) -> Shares:
    """The search of a softmax.

    `variants` are what it is in each pass of a frame; one where frames pass it once.
    """
    op, gains = variants[0], [Fraction(one.gain_numerator, one.gain_denominator) for one in variants]
    boundaries = op.format.boundaries()
    first = sum(_reached(boundary, Fraction(0)) for boundary in boundaries)
    last = sum(_reached(boundary, max(gains)) for boundary in boundaries)
    # A boundary at 0 that is strict lies behind `first`: a term of 0 has not reached it.
    between = boundaries[first:last]
    common = lcm(
        *(gain.denominator for gain in gains), *(boundary.position.denominator for boundary in between)
    )
    limits = [int(boundary.position * common) for boundary in between]
    factors = [int(gain * common) for gain in gains]
    shared = gcd(*factors, *limits)
    search = row_search(
        [limit // shared for limit in limits],
        [not boundary.inclusive for boundary in between],
        op.format.codes[first : last + 1],
    )
    spread = max(int(one.exponents.max()) - int(one.exponents.min()) for one in variants)
    bits = max(int(one.significands.max()) for one in variants).bit_length()
    return Shares([factor // shared for factor in factors], search, bits, max(1, spread.bit_length()))


def _reached(boundary: Boundary, number: Fraction) -> bool:
    return number > boundary.position or (boundary.inclusive and number == boundary.position)
