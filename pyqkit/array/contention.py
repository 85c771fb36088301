"""Rows of elements that share networks which merge halves of outliers: who waits, cycle by cycle.

Weights stand still, and vectors of activations pass the rows one behind the other, a row a cycle if nobody
waits. A micro-block of eight columns of a row that has outliers needs its part of a network in the cycle in
which a vector passes; each network serves one row a cycle there. A row goes on when all of its micro-blocks
have been served, the vector below it first; what waits keeps the rows above it waiting when they have nowhere
to go. Latencies of networks are the same for all and left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Contention:
    """What a tile of weights takes.

    Attributes
    ----------
    cycles : int
        Until the last row has the last vector.
    ideal : int
        If nobody waits.
    requests, conflicts : int
        Of micro-blocks with outliers, and those that were not served in their first cycle.
    """

    cycles: int
    ideal: int
    requests: int
    conflicts: int

    @property
    def lost(self) -> float:
        """Share of the cycles in which somebody waited."""
        return 1 - self.ideal / self.cycles

    @property
    def rate(self) -> float:
        """Conflicts of a request."""
        return self.conflicts / max(1, self.requests)


def shared(flags: np.ndarray, vectors: int, networks: int) -> Contention:
    """Vectors through a tile.

    Parameters
    ----------
    flags : numpy.ndarray, bool, shape (rows, micro-blocks)
        Which have outliers.
    vectors, networks : int
        At least 1.
    """
    rows = len(flags)
    passed = np.zeros(rows, np.int64)  # vectors that a row has passed on
    open_ = flags.copy()  # what has not been served of the vector that a row has
    fresh = np.ones(rows, bool)
    cycles = requests = conflicts = 0
    while passed[-1] < vectors:
        above = np.concatenate([[vectors], passed[:-1]])
        ready = passed < above
        asking = open_ & ready[:, None]
        # the rows farthest down come first
        served = asking & (np.cumsum(asking[::-1], axis=0)[::-1] <= networks)
        first = asking & fresh[:, None]
        requests += int(first.sum())
        conflicts += int((first & ~served).sum())
        open_ &= ~served
        done = ready & ~open_.any(axis=1)
        fresh = np.where(ready, done, fresh)
        passed[done] += 1
        open_[done] = flags[done]
        cycles += 1
    return Contention(cycles, vectors + rows - 1, requests, conflicts)
