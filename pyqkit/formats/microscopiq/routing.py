"""The butterfly of a micro-block: which lower halves reach their upper halves at the same time.

Eight columns, and three levels of edges: level k joins each column to itself (straight) and to the one whose
number differs in bit k (across). What every column sums up goes straight through all levels. A lower half
starts in its own column, goes with it until it first crosses, and has to arrive in the column of its upper
half. In a foreign column it cannot go straight, since that column's own sum does; and an edge across takes
one half. So a single pair is blocked when the columns differ in bits 0 and 2 alone (8 of 56 pairs).

With the places of upper halves given, and the places and the pairing of lower halves free, there is always
a way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations

import numpy as np

MICRO = 8  # places of a micro-block
MOST = MICRO // 2  # outliers of a micro-block
_LEVELS = 3


@dataclass(frozen=True, eq=False)
class Choices:
    """All sets of places for lower halves that route to given upper halves.

    Attributes
    ----------
    members : numpy.ndarray, float64, shape (sets, 8)
        1 where a place is one of the set.
    lowers : numpy.ndarray, uint8, shape (sets, outliers)
        The place for the lower half of each outlier, in the order of the upper halves.
    """

    members: np.ndarray
    lowers: np.ndarray


def routes(uppers: Sequence[int], lowers: Sequence[int]) -> bool:
    """Whether the butterfly takes all lower halves to their upper halves at once."""
    taken: set[tuple[int, int]] = set()
    for upper, lower in zip(uppers, lowers):
        edges = _edges(lower, upper)
        if not edges or taken & edges:
            return False
        taken |= edges
    return True


def _edges(lower: int, upper: int) -> set[tuple[int, int]]:
    """Edges across, as level and column; none if the way is blocked."""
    levels = [level for level in range(_LEVELS) if (lower ^ upper) >> level & 1]
    if not levels or levels[-1] - levels[0] >= len(levels):
        return set()
    edges, column = set(), lower
    for level in levels:
        edges.add((level, column))
        column ^= 1 << level
    return edges


@cache
def choices(uppers: tuple[int, ...]) -> Choices:
    """Places for the lower halves of one to four outliers, at rising places `uppers`."""
    free = [place for place in range(MICRO) if place not in uppers]
    found = []
    for places in combinations(free, len(uppers)):
        ways = (way for way in permutations(places) if routes(uppers, way))
        found.extend([next(ways, ())])
    lowers = np.array([way for way in found if way], np.uint8)
    return Choices((lowers[:, :, None] == np.arange(MICRO)).any(1).astype(np.float64), lowers)
