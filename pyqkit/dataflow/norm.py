"""Layer norm by one root of each pixel: how many bits of it decide every code exactly.

A result has reached a boundary where ``A >= M * r``, or ``A > M * r`` if the boundary is strict. ``A = gain
* d`` and ``M = boundary - offset`` are integers, over a common denominator; r, the root of an integer W that
v and epsilon give, is one or is irrational.

Of r the hardware has ``R = floor(2**f * r)``, and compares ``2**f * A + offset * R`` with ``boundary * R``,
which is ``2**f * A`` with ``M * R``. That errs by less than ``abs(M)``. What is compared is equal, if r is an
integer and so exact, or M and A are 0, or is apart by ``2**f / (abs(A) + abs(M) * r)`` at least, for ``A**2``
and ``M**2 * W`` differ by 1. So an f decides all codes whose power of two exceeds ``abs(M) * (2 * abs(A) +
1)``, where ``abs(M) * r < abs(A) + 1``, and ``abs(M)`` anywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, isqrt, lcm

import numpy as np

from pyqkit.dataflow.row_search import RowSearch, row_search
from pyqkit.formats import Boundary
from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.layer_norm import LayerNorm

_WIDE = 32  # bits of limits from which on one comparison serves all bits of a place
_APART = 32  # words from which on those of a pixel keep a comparison busy, in C++ too


@dataclass(frozen=True, eq=False)
class Norm:
    """Integers that decide the codes of a norm.

    Attributes
    ----------
    gains, offsets : list of int
        Of each channel, pass after pass.
    search : RowSearch
        Its limits are times `unit` times the root.
    unit : int
    scale : int
    epsilons : list of int
        W is ``scale * v + epsilon``, with an epsilon for each pass.
    radicand_digits : int
        Pairs of bits of W.
    segments, digits : int
        Parts that find the digits of the root, and the digits that each of them finds.
    most_moved, most_spread : int
        The largest d and v.
    """

    gains: list[int]
    offsets: list[int]
    search: RowSearch
    unit: int
    scale: int
    epsilons: list[int]
    radicand_digits: int
    segments: int
    digits: int
    most_moved: int
    most_spread: int

    @property
    def root_bits(self) -> int:
        """Of R."""
        return self.segments * self.digits

    @property
    def fraction_bits(self) -> int:
        """The f above."""
        return self.root_bits - self.radicand_digits

    @property
    def bits(self) -> int:
        """Of signed integers that hold both sides of every comparison."""
        gain, offset = (max(abs(value) for value in values) for values in (self.gains, self.offsets))
        left = (gain * self.most_moved << self.fraction_bits) + (offset << self.root_bits)
        right = (1 << self.search.bits + self.root_bits) * self.unit
        return max(left, right).bit_length() + 2


def norm(variants: Sequence[LayerNorm], tensor: Tensor, words: int) -> Norm:
    """What decides the codes of a norm whose pixels come in so many words.

    `variants` are what it is in each pass of a frame; one where frames pass it once.
    """
    op, channels = variants[0], tensor.shape[2]
    gains = [gain for one in variants for gain in _fractions(one.gain_numerators, one.gain_denominators)]
    offsets = [far for one in variants for far in _fractions(one.offset_numerators, one.offset_denominators)]
    first, between = _between(op, channels, gains, offsets)
    positions = [boundary.position for boundary in between]
    common = lcm(*(number.denominator for number in (*gains, *offsets, *positions)))
    # The root of v + epsilon is that of W over `divisor`.
    parts = lcm(*(one.epsilon.denominator for one in variants))
    divisor, whole = 1, parts
    while whole % 4 == 0:
        divisor, whole = 2 * divisor, whole // 4
    root = isqrt(whole)
    if root**2 == whole:  # a scale's square, which the root takes along
        divisor, whole = divisor * root, 1
    divisor *= whole
    scaled = [int(gain * common) * divisor for gain in gains]
    moved, limits = [int(offset * common) for offset in offsets], [int(b * common) for b in positions]
    shared = gcd(*scaled, *moved, *limits) or 1
    scaled, moved, limits = ([n // shared for n in numbers] for numbers in (scaled, moved, limits))
    unit = gcd(*limits) or 1
    search = row_search(
        [limit // unit for limit in limits],
        [not boundary.inclusive for boundary in between],
        op.format.codes[first : first + len(between) + 1],
    )
    search = replace(search, in_turn=search.bits > _WIDE and search.steps > 1 and words >= _APART)
    reach, spread = _largest(op, tensor, channels)
    epsilons = [int(whole * parts * one.epsilon) for one in variants]
    most = whole * parts * spread + max(epsilons)
    radicand = (most.bit_length() + 1) // 2
    needed = radicand + _fraction_bits(scaled, moved, limits or [0], reach, isqrt(min(epsilons)))
    segments = -(-needed // words)
    numbers = search, unit, whole * parts, epsilons, radicand
    return Norm(scaled, moved, *numbers, segments, -(-needed // segments), reach, spread)


def _fractions(numerators: np.ndarray, denominators: np.ndarray) -> list[Fraction]:
    return [Fraction(*pair) for pair in zip(numerators.tolist(), denominators.tolist())]


def _between(
    op: LayerNorm, channels: int, gains: list[Fraction], offsets: list[Fraction]
) -> tuple[int, list[Boundary]]:
    """Boundaries that a result may lie on either side of, and how many are always reached.

    The square of d is at most n times v: then a result is at most the root of n gains from the offset.
    """
    root = isqrt(channels) + 1
    low = min(offset - abs(gain) * root for gain, offset in zip(gains, offsets))
    high = max(offset + abs(gain) * root for gain, offset in zip(gains, offsets))
    boundaries = op.format.boundaries()
    first = sum(boundary.position < low for boundary in boundaries)
    return first, [boundary for boundary in boundaries[first:] if boundary.position <= high]


def _largest(op: LayerNorm, tensor: Tensor, channels: int) -> tuple[int, int]:
    """The largest d and v of integers in the range of a tensor."""
    if op.centred:
        span = tensor.high - tensor.low
        return (channels - 1) * span, channels**2 // 4 * span**2
    largest = max(abs(tensor.low), abs(tensor.high))
    return channels * largest, (channels * largest) ** 2


def _fraction_bits(gains: list[int], offsets: list[int], limits: list[int], reach: int, least: int) -> int:
    """The f of the proof above; the root is `least` or more."""
    found = 1
    for gain, offset in zip(gains, offsets):
        moved, away = abs(gain) * reach, max(abs(limit - offset) for limit in (limits[0], limits[-1]))
        near = min(away, (moved + 1) // least + 1)
        found = max(found, away.bit_length(), (near * (2 * moved + 1)).bit_length())
    return found
