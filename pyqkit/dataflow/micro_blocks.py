"""Weights of MicroScopiQ's blocks as a decoder behind their memories reads them.

A unit whose PE are a multiple of eight takes whole micro-blocks: eight outputs of an input. So their slots,
their flags, the exponents of inliers and what blocks with outliers have beside lie in memories of their own,
and nothing is stored twice. A word has the weights of PE outputs and SIMD inputs; its *lanes* are its
micro-blocks. Each lane has a memory of what its blocks with outliers have, in the order in which they come.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from pyqkit.formats.base import FormatError
from pyqkit.formats.microscopiq.planning import planned
from pyqkit.formats.microscopiq.routing import MICRO
from pyqkit.formats.microscopiq.tensor import LIST_BITS, MACRO, Plan, Slots
from pyqkit.formats.microscopiq.values import SHIFT_BITS, BlockWeight
from pyqkit.graph.ops.convolution import PRODUCTS_OF_A_DSP, Convolution, ConvolutionFolding

SIDE_BITS = SHIFT_BITS + LIST_BITS  # of a block with outliers: exponent at the last bit, four pairs of places


@dataclass(frozen=True, eq=False)
class MicroBlocks:
    """What the memories hold, in the order of use.

    Attributes
    ----------
    slot_bits : int
    folds : int
        Words of the inputs of PE outputs.
    repeat : int
        Times that a macro-block's exponents are used, one behind the other.
    slots : numpy.ndarray, uint8, shape (words, PE, SIMD)
    flags : numpy.ndarray, bool, shape (words, PE / 8, SIMD)
    exponents : numpy.ndarray, uint8, shape (macro-blocks * folds, SIMD)
        Of inliers.
    all_sides : numpy.ndarray, int64, shape (words, PE / 8, SIMD)
        Of blocks with outliers; 0 elsewhere.
    """

    slot_bits: int
    folds: int
    repeat: int
    slots: np.ndarray
    flags: np.ndarray
    exponents: np.ndarray
    all_sides: np.ndarray

    @property
    def words(self) -> int:
        """Of weights."""
        return len(self.slots)

    @property
    def lanes(self) -> int:
        """Micro-blocks of a word."""
        return int(self.flags[0].size)

    @cached_property
    def sides(self) -> tuple[np.ndarray, ...]:
        """What blocks with outliers have, lane by lane."""
        flags, sides = (part.reshape(self.words, -1) for part in (self.flags, self.all_sides))
        return tuple(sides[flags[:, lane], lane] for lane in range(self.lanes))

    @property
    def stored_bits(self) -> int:
        """Of all memories."""
        sides = sum(map(len, self.sides)) * SIDE_BITS
        return self.slots.size * self.slot_bits + self.flags.size + self.exponents.size * SHIFT_BITS + sides

    @classmethod
    def of(cls, op: Convolution, folding: ConvolutionFolding) -> MicroBlocks | None:
        """Those of a layer; None where it takes codes, each by itself."""
        fmt, outputs = op.weight_format, len(op.weights)
        if (
            not isinstance(fmt, BlockWeight)
            or folding.pe % MICRO
            or op.groups > 1
            or op.exponents is not None
        ):
            return None
        if folding.multiplier in PRODUCTS_OF_A_DSP or (MACRO % folding.pe and outputs > MACRO):
            return None
        found = _planned(op.weights.astype(np.uint16).tobytes(), op.weights.shape, fmt)
        return None if found is None else cls._folded(fmt, found, folding)

    @classmethod
    def _folded(cls, fmt: BlockWeight, found: _Planned, folding: ConvolutionFolding) -> MicroBlocks:
        pe, simd = folding.pe, folding.simd
        outputs = found.slots.shape[0]
        folds = found.slots.shape[1] // simd
        repeat = -(-min(outputs, MACRO) // pe)

        def in_order(values: np.ndarray, each: int) -> np.ndarray:
            """(outputs or blocks of them, inputs) in words of `each` and SIMD."""
            split = values.reshape(len(values) // each, each, folds, simd)
            return split.transpose(0, 2, 1, 3).reshape(-1, each, simd)

        return cls(
            fmt.slot_bits,
            folds,
            repeat,
            in_order(found.slots, pe),
            in_order(found.flags, pe // MICRO),
            found.exponents.reshape(-1, simd),
            in_order(found.sides, pe // MICRO),
        )


@dataclass(frozen=True, eq=False)
class _Planned:
    """Memories before they are folded: (outputs, inputs), (outputs / 8, inputs), (macro-blocks, inputs)."""

    slots: np.ndarray
    flags: np.ndarray
    exponents: np.ndarray
    sides: np.ndarray


@lru_cache(maxsize=64)
def _planned(codes: bytes, shape: tuple[int, ...], fmt: BlockWeight) -> _Planned | None:
    """Of codes (outputs, ...), uint16; None if eight of them side by side are no blocks."""
    values = fmt.integers[np.frombuffer(codes, np.uint16).reshape(shape[0], -1)].astype(np.int64)
    parts = []
    for first in range(0, len(values), MACRO):
        macro = values[first : first + MACRO]
        micro = macro.T.reshape(macro.shape[1], -1, MICRO)
        try:
            plan = planned(micro, fmt.slots, fewest=True)
        except FormatError:
            return None
        stored = plan.codes(micro.astype(np.float64), fmt.slots)
        parts.append(
            (
                stored.reshape(len(stored), -1).T,
                plan.flags.T,
                plan.inlier_exponents.T,
                _sides(plan, fmt.slots).T,
            )
        )
    return _Planned(*(np.concatenate(part) for part in zip(*parts)))


def _sides(plan: Plan, slots: Slots) -> np.ndarray:
    """Exponents and lists as numbers, int64, (rows, micro-blocks)."""
    pairs = plan.uppers.astype(np.int64) | plan.lowers.astype(np.int64) << 3
    lists = (pairs << 6 * np.arange(pairs.shape[-1])).sum(axis=-1)
    return np.where(plan.flags, plan.outlier_exponents - slots.fraction | lists << SHIFT_BITS, 0)
