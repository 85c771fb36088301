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
    """What tiles of weights take.

    Attributes
    ----------
    cycles : int
        Until the last row has the last vector.
    ideal : int
        If nobody waits.
    requests, conflicts : int
        Of micro-blocks with outliers, and those that were not served in their first cycle.
    """

    cycles: int = 0
    ideal: int = 0
    requests: int = 0
    conflicts: int = 0

    def __add__(self, other: Contention) -> Contention:
        """One after the other."""
        return Contention(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values())))

    @property
    def lost(self) -> float:
        """Share of the cycles in which somebody waited."""
        return 1 - self.ideal / self.cycles if self.cycles else 0.0

    @property
    def rate(self) -> float:
        """Conflicts of a request."""
        return self.conflicts / max(1, self.requests)


def shared(flags: np.ndarray, vectors: int, networks: int) -> Contention:
    """Vectors through tiles, one tile after the other.

    Parameters
    ----------
    flags : numpy.ndarray, bool, shape (..., rows, micro-blocks)
        Which have outliers.
    vectors, networks : int
        At least 1.
    """
    tiles = flags.reshape(-1, *flags.shape[-2:])
    count, rows, _ = tiles.shape
    passed = np.zeros((count, rows), np.int64)  # vectors that a row has passed on
    open_ = tiles.copy()  # what has not been served of the vector that a row has
    fresh = np.ones((count, rows), bool)
    cycles = requests = conflicts = 0
    while (working := int((passed[:, -1] < vectors).sum())) > 0:
        above = np.concatenate([np.full((count, 1), vectors), passed[:, :-1]], axis=1)
        ready = passed < above
        asking = open_ & ready[..., None]
        # the rows farthest down come first
        served = asking & (np.cumsum(asking[:, ::-1], axis=1)[:, ::-1] <= networks)
        first = asking & fresh[..., None]
        requests += int(first.sum())
        conflicts += int((first & ~served).sum())
        open_ &= ~served
        done = ready & ~open_.any(axis=2)
        fresh = np.where(ready, done, fresh)
        passed[done] += 1
        open_[done] = tiles[done]
        cycles += working
    return Contention(cycles, count * (vectors + rows - 1), requests, conflicts)


def of_matrix(flags: np.ndarray, rows: int, micros: int, vectors: int, networks: int) -> Contention:
    """Vectors through all tiles of a matrix of weights, which the last ones do not fill.

    Parameters
    ----------
    flags : numpy.ndarray, bool, shape (inputs, micro-blocks)
        Along outputs: which have outliers.
    rows, micros : int
        Of a tile.
    vectors, networks : int
        As for `shared`.
    """
    padded = np.pad(flags, [(0, -size % of) for size, of in zip(flags.shape, (rows, micros))])
    tiles = padded.reshape(-1, rows, padded.shape[1] // micros, micros).swapaxes(1, 2)
    return shared(tiles, vectors, networks)
