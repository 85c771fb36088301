"""Codes of 9 to 16 bits, of which the activation memory holds two tensors: a residual stream's, say.

A slot has 8 bits, and the post-processor makes 8 of a sum. So a number y is stored as ``256 * high + low``,
in two passes over the same sums: ``high`` is y divided by 256 and rounded down, by boundaries 256 apart, and
``low`` is what is left of y less ``256 * high``, which the second pass reads again. Both are `Rescale` to the
bit: ties go to the even result, and what saturates does so in both. Whatever reads y adds the two.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from pyqkit.array.compiler.passes import Codes, Stored, Sums
from pyqkit.array.families import Family
from pyqkit.array.machine import SLOT_BITS, Machine
from pyqkit.errors import UserError
from pyqkit.formats import Integer
from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.requantise import Rescale

BOTH_BITS = 2 * SLOT_BITS
_WORTH = 1 << SLOT_BITS  # of a step of the high half


def holds_halves(machine: Machine, family: Family) -> bool:
    """Whether a machine adds integers of 8 bits."""
    with suppress(UserError):
        return all(family.pair(machine, Integer(SLOT_BITS, signed), family.unit) for signed in (True, False))
    return False


def high_half(op: Rescale, tensor: Tensor, name: str) -> tuple[Stored, Codes]:
    """The high half of a requantiser's result, stored under a name, and how it is made of the sums."""
    fmt, low, high = Integer(SLOT_BITS, op.format.signed), tensor.low // _WORTH, tensor.high // _WORTH
    made = _codes(op, fmt, np.arange(low, high + 1), _WORTH, op.multiplier)
    return Stored(name, tensor.shape, fmt, low, high), made


def low_half(op: Rescale, tensor: Tensor, name: str) -> tuple[Stored, Codes]:
    """The low half, and how it is made of what `rest` gives."""
    fmt = Integer(SLOT_BITS, signed=False)
    made = _codes(op, fmt, np.arange(_WORTH), 1, np.ones_like(op.multiplier))
    return Stored(name, tensor.shape, fmt, 0, _WORTH - 1), made


def rest(op: Rescale, sums: Sums, high: Sums) -> Sums:
    """Scaled sums less what the high half, as it is stored, is worth among them."""
    back = np.full(len(op.multiplier), -(_WORTH << op.shift))
    scaled = [term.times(op.multiplier) for term in sums.terms]
    return replace(sums, terms=(*scaled, *(term.times(back) for term in high.terms)))


def _codes(op: Rescale, fmt: Integer, values: np.ndarray, worth: int, multipliers: np.ndarray) -> Codes:
    """Boundaries of values that are worth so much each; with a ReLU none lies below zero."""
    if op.relu:
        values = values[values >= 0]
    boundaries = np.array([_least(int(value) * worth, op.shift) for value in values[1:]], np.int64)
    return Codes(multipliers, op.offset, boundaries, fmt.from_integers(values).astype(np.int64))


def _least(result: int, shift: int) -> int:
    """The least scaled sum that is rounded to a result or more; a tie goes to the even result."""
    return ((2 * result - 1) << shift >> 1) + (result & 1) if shift else result
