"""The place of the largest or smallest element."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.graph.fields import flag_field, whole_field
from pyqkit.host.operation import Node, Operation, operation


@operation(ArgMax="torch.argmax", ArgMin="torch.argmin")
@dataclass(frozen=True)
class ArgMax(Operation):
    """The index of the largest element along an axis, int64.

    Attributes
    ----------
    axis : int
    kept : bool
        Whether the axis stays, with length 1.
    last : bool
        Whether of equal elements the last one counts, not the first.
    smallest : bool
        Whether it is the smallest element instead.
    """

    axis: int = whole_field(1)
    kept: bool = flag_field()
    last: bool = flag_field()
    smallest: bool = flag_field()

    kind = "arg_max"
    attributes = frozenset({"axis", "keepdims", "select_last_index"})

    @classmethod
    def read(cls, node: Node) -> ArgMax:
        kept, last = (bool(node.attributes.get(key, default)) for key, default in _FLAGS)
        return cls(node.axis(0), kept, last, node.type == "ArgMin")

    def compute(self, *given: np.ndarray) -> tuple[np.ndarray, ...]:
        (x,) = given
        rows = np.moveaxis(x, self.axis, -1)
        if self.last:
            rows = rows[..., ::-1]
        found = rows.argmin(axis=-1) if self.smallest else rows.argmax(axis=-1)
        if self.last:
            found = rows.shape[-1] - 1 - found
        found = found.astype(np.int64)
        return (np.expand_dims(found, self.axis) if self.kept else found,)


_FLAGS = (("keepdims", 1), ("select_last_index", 0))
