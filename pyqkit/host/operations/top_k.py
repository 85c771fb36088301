"""The largest or smallest elements and their places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.graph.fields import flag_field, whole_field
from pyqkit.host.operation import Node, Operation, Unsupported, operation


@operation(TopK="torch.topk")
@dataclass(frozen=True)
class TopK(Operation):
    """The first k elements along an axis in sorted order, and their indices, int64.

    Of equal elements the one with the lower index comes first, as ONNX says. Where the order is left open
    (`sorted` is 0) they come sorted too.

    Attributes
    ----------
    axis, count : int
        `count` is k.
    smallest : bool
        Whether the smallest come first, instead of the largest.
    """

    axis: int = whole_field(1)
    count: int = whole_field(1)
    smallest: bool = flag_field()

    kind = "top_k"
    attributes = frozenset({"axis", "k", "largest", "sorted"})

    @classmethod
    def read(cls, node: Node) -> TopK:
        axis, count = node.axis(-1), node.number(1, "k")
        first = node.inputs[0]
        assert first is not None
        if count is None or not 1 <= count <= first.shape[axis]:
            raise Unsupported(
                f"its k is {count}, not from 1 to {first.shape[axis]}", "take as many as there are"
            )
        return cls(axis, int(count), not node.attributes.get("largest", 1))

    def compute(self, *given: np.ndarray) -> tuple[np.ndarray, ...]:
        (x,) = given
        rows = np.moveaxis(x, self.axis, -1)
        if self.smallest:
            order = rows.argsort(axis=-1, kind="stable")
        else:  # sorted backwards, and read backwards: equal elements end up in their own order
            order = rows.shape[-1] - 1 - rows[..., ::-1].argsort(axis=-1, kind="stable")[..., ::-1]
        order = order[..., : self.count]
        found = np.take_along_axis(rows, order, -1)
        return np.moveaxis(found, -1, self.axis), np.moveaxis(order.astype(np.int64), -1, self.axis)
