"""In which order a matrix-vector unit takes windows and weights."""

from __future__ import annotations

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
