"""Softmax and its logarithm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.graph.fields import flag_field, whole_field
from pyqkit.host.operation import Node, Operation, operation

_ONE_AXIS = 13  # op-set from which on it goes along one axis; before, along all from `axis` on


@operation(Softmax="torch.nn.Softmax", LogSoftmax="torch.nn.LogSoftmax")
@dataclass(frozen=True)
class Softmax(Operation):
    """``exp(x) / sum(exp(x))``, or its logarithm.

    Attributes
    ----------
    axis : int
        Along which the sum goes.
    flattened : bool
        Whether the sum goes along all later axes too.
    logarithm : bool
    """

    axis: int = whole_field(1)
    flattened: bool = flag_field()
    logarithm: bool = flag_field()

    kind = "softmax"
    attributes = frozenset({"axis"})

    @classmethod
    def read(cls, node: Node) -> Softmax:
        old = node.opset < _ONE_AXIS
        return cls(node.axis(1 if old else -1), old, node.type == "LogSoftmax")

    def compute(self, *given: np.ndarray) -> tuple[np.ndarray, ...]:
        (x,) = given
        rows = x.reshape(*x.shape[: self.axis], -1) if self.flattened else np.moveaxis(x, self.axis, -1)
        found = self._of_rows(rows.astype(np.float64)).astype(x.dtype)
        return (found.reshape(x.shape) if self.flattened else np.moveaxis(found, -1, self.axis),)

    def _of_rows(self, x: np.ndarray) -> np.ndarray:
        largest = x.argmax(axis=-1)[..., None]
        below = x - np.take_along_axis(x, largest, -1)
        terms = np.exp(below)
        if not self.logarithm:
            return terms / terms.sum(axis=-1, keepdims=True)
        np.put_along_axis(terms, largest, 0.0, -1)  # its 1 would swallow the others
        return below - np.log1p(terms.sum(axis=-1, keepdims=True))
