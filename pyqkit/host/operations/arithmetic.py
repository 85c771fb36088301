"""Arithmetic and comparison of two tensors, or of a tensor and a constant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from pyqkit.formats.reading import check
from pyqkit.graph import limits
from pyqkit.graph.fields import text_field
from pyqkit.host.operation import Node, Operation, Typed, Unsupported, operation


def _quotient(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of whole numbers without the fraction, as ONNX says."""
    if a.dtype.kind not in "iu":
        return a / b
    found = a // b
    return found + ((found < 0) & (found * b != a))


_COMPUTED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _quotient,
    "Max": np.maximum,
    "Min": np.minimum,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Equal": np.equal,
    "PRelu": lambda x, slope: np.where(x < 0, x * slope, x),
}


@operation(
    Add="torch.add",
    Sub="torch.sub",
    Mul="torch.mul",
    Div="torch.div",
    Max="torch.maximum",
    Min="torch.minimum",
    PRelu="torch.nn.PReLU",
    Greater="torch.gt",
    GreaterOrEqual="torch.ge",
    Less="torch.lt",
    LessOrEqual="torch.le",
    Equal="torch.eq",
)
@dataclass(frozen=True)
class Arithmetic(Operation):
    """Two tensors element by element, with ONNX's broadcasting: in the type of both, or whether it is so.

    Attributes
    ----------
    name : str
        ONNX's own: Add, Greater and so on.
    """

    name: str = text_field()

    kind = "arithmetic"
    arguments = 2

    def __post_init__(self) -> None:
        check(self.name in _COMPUTED, f"{self.name} is no arithmetic")

    @classmethod
    def read(cls, node: Node) -> Arithmetic:
        if len(node.inputs) != 2 or any(value is None for value in node.inputs):
            raise Unsupported(f"it has {len(node.inputs)} inputs", f"use one {node.type} for each two")
        shapes = [value.shape for value in node.inputs if value is not None]
        axes = max(map(len, shapes))
        # Each tensor has its frames on the first axis, which no constant may be longer than.
        across = [
            len(shape) < axes if isinstance(value, Typed) else len(shape) == axes and shape[0] > 1
            for value, shape in zip(node.inputs, shapes)
        ]
        if any(across):
            raise Unsupported(
                f"the shapes {shapes[0]} and {shapes[1]} broadcast across the batch",
                "keep the batch as the first axis",
            )
        divisor = node.inputs[1]
        if node.type == "Div" and isinstance(divisor, np.ndarray) and not divisor.all():
            raise Unsupported("it divides by zero", "check the constant")
        return cls(node.type)

    def compute(self, *given: np.ndarray) -> tuple[np.ndarray, ...]:
        a, b = given
        size = prod(np.broadcast_shapes(a.shape[1:], b.shape[1:]))
        check(size <= limits.TENSOR_ELEMENTS, f"{self.name} makes {size} elements")
        found = _COMPUTED[self.name](a, b)
        return (found if found.dtype == bool else found.astype(a.dtype, copy=False),)


@operation(Neg="torch.neg")
@dataclass(frozen=True)
class Negate(Operation):
    """``-x``."""

    kind = "negate"

    @classmethod
    def read(cls, node: Node) -> Negate:
        return cls()

    def compute(self, *given: np.ndarray) -> tuple[np.ndarray, ...]:
        return (-given[0],)
