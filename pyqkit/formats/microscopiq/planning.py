"""Blocks of values again: with which exponents and lists values that an encoder has rounded can be stored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pyqkit.formats.base import FormatError
from pyqkit.formats.microscopiq.routing import MICRO, MOST, choices
from pyqkit.formats.microscopiq.tensor import Plan, Slots
from pyqkit.formats.microscopiq.values import SPREAD


def planned(micro: np.ndarray, slots: Slots, fewest: bool = False) -> Plan:
    """How rows of micro-blocks are stored: with which exponent of inliers all blocks of a row can be.

    Parameters
    ----------
    micro : numpy.ndarray, int64, shape (rows, micro-blocks, 8)
    fewest : bool
        Of all exponents take that with the fewest blocks that have outliers, not the least.

    Raises
    ------
    FormatError
        If there is none.
    """
    rows, micros, _ = micro.shape
    plan = Plan(
        np.zeros((rows, 1), np.int16),
        np.zeros((rows, micros), np.int16),
        np.zeros((rows, micros, MOST), np.uint8),
        np.zeros((rows, micros, MOST), np.uint8),
    )
    left, known = np.arange(rows), np.full(rows, micros + 1)  # blocks with outliers of the best one so far
    for shift in range(SPREAD + 1):
        done, blocks = _blocks_of(micro[left], shift, slots)
        for at in np.flatnonzero(done):
            if len(blocks[at]) < known[left[at]]:
                known[left[at]] = len(blocks[at])
                _write(plan, int(left[at]), shift, blocks[at], slots)
        left = left if fewest else left[~done]
    if (known > micros).any():
        values = ", ".join(map(str, micro[known > micros][0].ravel()[:MICRO]))
        raise FormatError(
            f"weights in MicroScopiQ's blocks of {slots.bits} bits were expected in groups of {MICRO} "
            f"outputs, but those of an input ({values}, ...) are none; quantise by the recipe microscopiq"
        )
    return plan


def _blocks_of(micro: np.ndarray, shift: int, slots: Slots) -> tuple[np.ndarray, list[dict[int, _Block]]]:
    """Which rows can be stored with an exponent of inliers, and their blocks with outliers by number."""
    units = micro >> shift
    away = (units << shift != micro) | (np.abs(units) > slots.largest)
    done, found = np.ones(len(micro), bool), [dict[int, _Block]() for _ in micro]
    for at, index in zip(*np.nonzero(away.any(axis=-1))):
        block = _block(tuple(micro[at, index].tolist()), shift, slots) if done[at] else None
        done[at] = block is not None
        if block is not None:
            found[at][index] = block
    return done, found


def _write(plan: Plan, row: int, shift: int, blocks: dict[int, _Block], slots: Slots) -> None:
    plan.inlier_exponents[row] = shift
    for part in (plan.outlier_exponents, plan.uppers, plan.lowers):
        part[row] = 0
    for index, block in blocks.items():
        count = len(block.uppers)
        plan.outlier_exponents[row, index] = block.exponent + slots.fraction
        plan.uppers[row, index, :count] = block.uppers
        plan.lowers[row, index, :count] = block.lowers


@dataclass(frozen=True)
class _Block:
    """Outliers of a micro-block: their exponent at the last bit, and where both halves stand."""

    exponent: int = 0
    uppers: tuple[int, ...] = ()
    lowers: tuple[int, ...] = ()


@lru_cache(maxsize=2**16)
def _block(values: tuple[int, ...], shift: int, slots: Slots) -> _Block | None:
    """A micro-block whose inliers have an exponent; None if there is no such block."""
    away = [p for p, v in enumerate(values) if v % (1 << shift) or abs(v) >> shift > slots.largest]
    exponents = {abs(values[p]).bit_length() - 1 - slots.fraction for p in away}
    if not away:
        return _Block()
    exponent = exponents.pop()
    unequal = exponents or not 0 <= exponent <= SPREAD or any(values[p] % (1 << exponent) for p in away)
    if unequal or len(away) > MOST:
        return None
    found = choices(tuple(away))
    for members, lowers in zip(found.members, found.lowers):
        if not any(values[p] for p in np.flatnonzero(members)):
            return _Block(exponent, tuple(away), tuple(int(p) for p in lowers))
    return None
