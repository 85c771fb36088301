"""Weights for AVX2, which adds two products of bytes in 16 bits and not four in 32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

INT16 = 2**15 - 1
_FEWEST = 4  # steps that are worth sums of their own, where they lie as in the window
_PAIRED = 0.8  # of all steps find another, so that two by two are faster


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
        Of 2, blocks have an even number of steps, in no order of the window.
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
        weights, places = stacked[used], row * row_bytes + panels.shape[-1] * group
        counts = np.bincount(block, minlength=len(panels))
        reached = reach(weights)
        together = _together(reached, counts, largest)
        if together < _FEWEST:
            order, counts, together = _two_by_two(reached, counts, largest)
            weights = np.where(order[:, None, None] < 0, 0, weights[order])
            places = places[order]  # zero weights may be anywhere
        made = np.ascontiguousarray(weights), places.astype(np.int32), np.cumsum(counts, dtype=np.int32)
        return cls(*made, together)


def reach(weights: np.ndarray) -> np.ndarray:
    """Largest sum of the positive and of the negative weights of a pair: (2, ..., pairs)."""
    pairs = weights.reshape(*weights.shape[:-1], weights.shape[-1] // 2, 2).astype(np.int64)
    return np.stack([np.maximum(pairs, 0).sum(axis=-1), np.maximum(-pairs, 0).sum(axis=-1)])


def _fitting(weights: np.ndarray, largest: int) -> np.ndarray:
    """The same where a pair fits, else both no larger than half of what does."""
    fits = (reach(weights) <= largest).all(axis=0).repeat(2, axis=-1)
    return np.where(fits, weights, weights.clip(-(largest // 2), largest // 2))


def _together(reached: np.ndarray, counts: np.ndarray, largest: int) -> int:
    """As many steps as fit wherever they begin; fewer than `_FEWEST` if none do."""
    ends, count = np.cumsum(counts), int(counts.max())
    while count >= _FEWEST:
        chunks = np.concatenate([np.arange(*block, count) for block in zip(ends - counts, ends)])
        if np.add.reduceat(reached, chunks, axis=1).max() <= largest:
            return count
        count = -(-count // 2)
    return 1


def _two_by_two(reached: np.ndarray, counts: np.ndarray, largest: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Steps in an order in which each two that follow one another fit; -1: none.

    Returns
    -------
    order : numpy.ndarray of int
    counts : numpy.ndarray of int
        Steps of each block in this order.
    together : int
        2; 1 where too few steps find another, and all stay where they are.
    """
    reached = np.concatenate(reached.astype(np.int32), axis=1)
    steps = np.arange(len(reached))
    orders = [_matched(reached, block, largest) for block in np.split(steps, np.cumsum(counts)[:-1])]
    lengths = np.array([len(order) for order in orders])
    if not len(steps) or lengths.sum() * _PAIRED > len(steps):
        return steps, counts, 1
    return np.array([step for order in orders for step in order]), lengths, 2


def _matched(reached: np.ndarray, block: np.ndarray, largest: int) -> list[int]:
    """Two by two: the largest choose first, each the largest other one that fits, or -1."""
    waiting = block[np.argsort(-reached[block].max(axis=(1, 2), initial=0), kind="stable")]
    order: list[int] = []
    while len(waiting):
        first, waiting = waiting[0], waiting[1:]
        fits = (reached[waiting] + reached[first]).max(axis=(1, 2), initial=0) <= largest
        order += [first, waiting[fits.argmax()] if fits.any() else -1]
        waiting = np.delete(waiting, fits.argmax()) if fits.any() else waiting
    return order
