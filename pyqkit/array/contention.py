"""Rows of elements that share networks which merge halves of outliers: who waits, step by step.

Weights stand still, and vectors of activations pass the rows one behind the other. In a step each row has
another vector, and all rows go on together. A row with outliers among eight columns requests a network for
them in each step in which it has a vector; every network serves one row a cycle there, so the step lasts
until all requests of all columns are served. Latencies of networks are hidden behind the elements. So do
arrays of family `microscopiq` whose `merge` is ``butterfly``, to the cycle.
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
        Of eight columns with outliers, and those that were not served in their first cycle.
    """

    cycles: int = 0
    ideal: int = 0
    requests: int = 0
    conflicts: int = 0

    def __add__(self, other: Contention) -> Contention:
        """One after the other."""
        return Contention(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values())))

    @property
    def waits(self) -> int:
        """Cycles in which somebody waited."""
        return self.cycles - self.ideal

    @property
    def lost(self) -> float:
        """Their share."""
        return self.waits / self.cycles if self.cycles else 0.0

    @property
    def rate(self) -> float:
        """Conflicts of a request."""
        return self.conflicts / max(1, self.requests)


def shared(flags: np.ndarray, vectors: int, networks: int) -> Contention:
    """Vectors through tiles, each of which follows the one before at once.

    Parameters
    ----------
    flags : numpy.ndarray, bool, shape (tiles, rows, columns / 8)
        Which have outliers.
    vectors, networks : int
        At least 1. Of fewer vectors than rows each tile takes as many steps as there are rows: the next one
        is loaded meanwhile.
    """
    count, rows, columns = flags.shape
    span = max(vectors, rows)
    ideal = (count - 1) * span + vectors + rows - 1
    tile, row, column = np.nonzero(flags)
    if not len(tile):
        return Contention(ideal, ideal)
    first = tile * span + row  # step in which it has its first vector
    times, at = np.unique(np.concatenate([first, first + vectors]), return_inverse=True)
    change = np.zeros((len(times), columns), np.int64)
    np.add.at(change, (at[: len(first)], column), 1)
    np.add.at(change, (at[len(first) :], column), -1)
    asking, steps = change.cumsum(axis=0)[:-1], np.diff(times)  # all the while between two times
    turns = np.maximum(1, -(-asking.max(axis=1) // networks))
    conflicts = np.maximum(0, asking - networks).sum(axis=1)
    waits = int((turns - 1) @ steps)
    return Contention(ideal + waits, ideal, int(asking.sum(axis=1) @ steps), int(conflicts @ steps))


def of_matrix(flags: np.ndarray, rows: int, columns: int, vectors: int, networks: int) -> Contention:
    """Vectors through all tiles of a matrix of weights, which the last ones do not fill.

    Parameters
    ----------
    flags : numpy.ndarray, bool, shape (inputs, outputs / 8)
        Along outputs: which have outliers.
    rows, columns : int
        Of a tile, its columns counted by eight.
    vectors, networks : int
        As for `shared`.
    """
    padded = np.pad(flags, [(0, -size % of) for size, of in zip(flags.shape, (rows, columns))])
    tiles = padded.reshape(-1, rows, padded.shape[1] // columns, columns).swapaxes(1, 2)
    return shared(tiles.reshape(-1, rows, columns), vectors, networks)
