"""In which order a matrix-vector unit takes windows, weights and the exponents of their blocks."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, lcm

import numpy as np

from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding


def window_order(op: Convolution, folding: ConvolutionFolding) -> tuple[int, int]:
    """Groups of channels whose windows come one after the other, and lanes of a window's words.

    All PE share SIMD inputs; those of a depthwise convolution have one each, so that PE channels go together.
    """
    return (op.groups // folding.pe, folding.pe) if op.is_depthwise else (op.groups, folding.simd)


def in_order_of_use(values: np.ndarray, groups: int, pe: int, simd: int) -> np.ndarray:
    """What belongs to each weight, as the unit reads it: (groups, output folds, input folds, PE, SIMD)."""
    folds = values.reshape(groups, len(values) // groups // pe, pe, -1, simd)
    return folds.transpose(0, 1, 3, 2, 4)


@dataclass(frozen=True)
class BlockOrder:
    """Where the exponents of blocks meet the words of weights.

    A word holds SIMD weights of each PE. Those of a *segment* lie in one block whichever word it is, so that
    their products are summed before the exponent shifts them. Exponents lie in a memory of their own, each
    once: a word of that memory serves `span` words of weights, which begin and end with blocks or with the
    channels of a kernel position. Only a kernel position whose last word of exponents is not full costs more
    than its blocks have: at most `held` - 1 exponents.

    Attributes
    ----------
    block : int
        Channels that share an exponent.
    segment : int
        Lanes of a segment, a divisor of SIMD.
    held : int
        Exponents of each PE in a word.
    span : int
        Words of weights that a word of exponents serves.
    row : int
        Words of weights of a kernel position.
    """

    block: int
    segment: int
    held: int
    span: int
    row: int

    @classmethod
    def of(cls, op: Convolution, simd: int) -> BlockOrder:
        """The order of a convolution with exponents."""
        channels, block = op.weights.shape[3], op.block
        served = min(lcm(simd, block), channels)
        segment = simd if block >= channels else gcd(simd, block)
        return cls(block, segment, -(-served // block), served // simd, channels // simd)

    @property
    def words(self) -> int:
        """Words of exponents of a kernel position."""
        return -(-self.row // self.span)

    def in_order_of_use(self, exponents: np.ndarray, groups: int, pe: int) -> np.ndarray:
        """Exponents as the unit reads them: (groups, output folds, words, PE, held), filled up with zeros."""
        missing = self.words * self.held - exponents.shape[-1]
        filled = np.pad(exponents, [(0, 0)] * (exponents.ndim - 1) + [(0, missing)])
        return in_order_of_use(filled, groups, pe, self.held)
