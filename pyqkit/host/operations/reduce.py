"""Axes that become one number: sums, averages and ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pyqkit.formats.reading import check
from pyqkit.graph.fields import flag_field, text_field, wholes_field
from pyqkit.host.operation import Node, Operation, Unsupported, operation

_COMPUTED: dict[str, Callable[..., np.ndarray]] = {
    "Sum": np.sum,
    "Mean": np.mean,
    "Max": np.max,
    "Min": np.min,
}


@operation(
    ReduceSum="torch.sum",
    ReduceMean="torch.mean",
    ReduceMax="torch.amax",
    ReduceMin="torch.amin",
    GlobalAveragePool="torch.nn.AdaptiveAvgPool2d",
    GlobalMaxPool="torch.nn.AdaptiveMaxPool2d",
)
@dataclass(frozen=True)
class Reduce(Operation):
    """One number of all elements along axes.

    Attributes
    ----------
    name : str
        Sum, Mean, Max or Min.
    axes : list of int
    kept : bool
        Whether the axes stay, with length 1.
    """

    name: str = text_field()
    axes: list[int] = wholes_field(None, 1)
    kept: bool = flag_field()

    kind = "reduce"
    attributes = frozenset({"axes", "keepdims", "noop_with_empty_axes"})

    def __post_init__(self) -> None:
        check(self.name in _COMPUTED, f"{self.name} is no reduction")

    @classmethod
    def read(cls, node: Node) -> Reduce:
        if node.type.startswith("Global"):
            return cls("Mean" if node.type == "GlobalAveragePool" else "Max", list(range(2, node.rank)), True)
        given = node.constant(1, "axes")
        axes = node.attributes.get("axes", []) if given is None else given.ravel().tolist()
        if not axes and node.attributes.get("noop_with_empty_axes", 0):
            raise Unsupported("it reduces nothing", "leave it out")
        places = sorted({int(axis) % node.rank for axis in axes})
        if not places or places[0] == 0:
            raise Unsupported(
                "it goes along the batch", "keep the batch as the first axis, and name the others"
            )
        return cls(node.type.removeprefix("Reduce"), places, bool(node.attributes.get("keepdims", 1)))

    def compute(self, *given: np.ndarray) -> tuple[np.ndarray, ...]:
        (x,) = given
        exact = x.astype(np.float64) if x.dtype.kind == "f" else x
        found = _COMPUTED[self.name](exact, axis=tuple(self.axes), keepdims=self.kept)
        return (found.astype(x.dtype),)
