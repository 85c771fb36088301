"""Numbers of operators whose hardware frames pass several times: one set of widths for all passes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyqkit.formats import Integer, NumberFormat
from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.requantise import Rescale


def partial_sums(variants: Sequence[Add], tensors: list[Tensor], result: Tensor) -> list[NumberFormat]:
    """Formats that hold the sums of the first two branches, the first three, and so on, in every pass."""
    partial = zip(*(one.partial_sums(tensors)[:-1] for one in variants))
    widest = [Integer.for_range(min(f.low for f in found), max(f.high for f in found)) for found in partial]
    return [*widest, result.format]


def at_shift(variants: Sequence[Rescale], name: str, shift: int) -> np.ndarray:
    """Factors or offsets of all passes, those of smaller shifts made up for (Python integers if need be)."""
    if len(variants) == 1:
        return np.asarray(getattr(variants[0], name))
    return np.concatenate([getattr(one, name).astype(object) << shift - one.shift for one in variants])
