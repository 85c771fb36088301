"""What a kernel was not sure of, decided by the operator's definition."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pyqkit.emulate.carrier import from_carrier, to_carrier
from pyqkit.graph.graph import Operator, Tensor


@dataclass(frozen=True, eq=False)
class Decided:
    """Rows of numbers, each a pixel of the operator, that a kernel computes.

    Attributes
    ----------
    op : Operator
        Of pixels that do not depend on each other.
    tensor, out : Tensor
    x, result : numpy.ndarray, shape (rows, channels)
        Carriers.
    unsure : numpy.ndarray of uint8, shape (rows,)
        Not 0 where the kernel was not sure.
    """

    op: Operator
    tensor: Tensor
    out: Tensor
    x: np.ndarray
    result: np.ndarray
    unsure: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "unsure", np.zeros(len(self.x), np.uint8))

    def decide(self) -> None:
        """Results of the rows of which the kernel was not sure."""
        rows = np.flatnonzero(self.unsure)
        codes = from_carrier(self.x[rows], self.tensor).reshape(len(rows), 1, 1, -1)
        (found,) = self.op.execute([codes], [self.tensor])
        self.result[rows] = to_carrier(found, self.out).reshape(len(rows), -1)
