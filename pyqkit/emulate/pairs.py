"""Weights for AVX2, which adds two products of bytes in 16 bits and not four in 32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

INT16 = 2**15 - 1
_FEWEST = 4  # steps that are worth sums of their own


@dataclass(frozen=True, eq=False)
class Steps:
    """Four weights of each output of a block at a time, times four activations.

    A weight too large for its pair is the sum of those of several steps.

    Attributes
    ----------
    weights : numpy.ndarray of int8, shape (steps, LANES, 4)
        Those of a block one after the other; steps without a weight are left out.
    places : numpy.ndarray of int32, shape (steps,)
        Bytes from the first activation of a window to those of the step.
    ends : numpy.ndarray of int32, shape (blocks,)
        Where the steps of each block end.
    together : int
        Steps, from the first of a block on, whose sums of pairs fit 16 bits, whatever the activations are.
    """

    weights: np.ndarray
    places: np.ndarray
    ends: np.ndarray
    together: int

    @classmethod
    def of(cls, panels: np.ndarray, high: int, row_bytes: int) -> Steps:
        """Of `Operands.panels` of bytes, for activations up to `high` whose rows are `row_bytes` apart."""
        largest = INT16 // max(high, 1)  # sum of two weights
        parts, rest = [], panels.astype(np.int16)
        while rest.any():
            parts.append(_fitting(rest, largest).astype(np.int8))
            rest -= parts[-1]
        if not parts:
            parts = [panels]
        stacked = np.stack(parts, axis=3)
        used = stacked.any(axis=(-1, -2))
        block, row, group, _ = np.nonzero(used)
        weights = np.ascontiguousarray(stacked[used])
        ends = np.cumsum(np.bincount(block, minlength=len(panels)))
        together = _together(weights, ends, largest)
        places = row * row_bytes + weights.shape[-1] * group
        return cls(weights, places.astype(np.int32), ends.astype(np.int32), together)


def reach(weights: np.ndarray) -> np.ndarray:
    """Largest sum of the positive and of the negative weights of a pair: (2, ..., pairs)."""
    pairs = weights.reshape(*weights.shape[:-1], weights.shape[-1] // 2, 2).astype(np.int64)
    return np.stack([np.maximum(pairs, 0).sum(axis=-1), np.maximum(-pairs, 0).sum(axis=-1)])


def _fitting(weights: np.ndarray, largest: int) -> np.ndarray:
    """The same where a pair fits, else both no larger than half of what does."""
    fits = (reach(weights) <= largest).all(axis=0).repeat(2, axis=-1)
    return np.where(fits, weights, weights.clip(-(largest // 2), largest // 2))


def _together(weights: np.ndarray, ends: np.ndarray, largest: int) -> int:
    begins = np.concatenate([[0], ends[:-1]])
    reached, count = reach(weights), int((ends - begins).max())
    while count >= _FEWEST:
        chunks = np.concatenate([np.arange(*block, count) for block in zip(begins, ends)])
        if np.add.reduceat(reached, chunks, axis=1).max() <= largest:
            return count
        count = -(-count // 2)
    return 1
