"""Elements that move, are joined, or change their type."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from pyqkit.formats.reading import check
from pyqkit.graph.fields import array_field, text_field, whole_field, wholes_field
from pyqkit.host.operation import Node, Operation, Typed, Unsupported, operation

# ONNX's numbers of the types of elements (TensorProto.DataType) that numpy has
_TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    11: "float64",
    12: "uint32",
    13: "uint64",
}


@operation()
@dataclass(frozen=True, eq=False)
class Move(Operation):
    """Elements of each frame at other places: what a Reshape, Transpose, Slice or Gather amounts to.

    The importer makes it of any node that only moves elements, whatever its type.

    Attributes
    ----------
    shape : list of int
        Of the result, without the frames.
    places : numpy.ndarray of int, or None
        For each element of the result its place in the flattened frame, -1 for a zero; None where all stay
        in order.
    """

    shape: list[int] = wholes_field(None)
    places: np.ndarray | None = array_field(optional=True)

    kind = "move"

    @classmethod
    def read(cls, node: Node) -> Move:
        raise TypeError("a move is made of places, and not read from a node")

    def compute(self, *given: np.ndarray) -> tuple[np.ndarray, ...]:
        flat = given[0].reshape(len(given[0]), -1)
        if self.places is not None:
            at = self.places.ravel()
            check(at.size == prod(self.shape) and at.min(initial=0) >= -1, "places do not fit their shape")
            flat = np.where(at < 0, flat.dtype.type(0), flat.take(at, axis=1))
        return (flat.reshape(len(flat), *self.shape),)


@operation(Concat="torch.cat")
@dataclass(frozen=True)
class Concat(Operation):
    """Tensors side by side along an axis."""

    axis: int = whole_field(1)

    kind = "concat"
    attributes = frozenset({"axis"})
    arguments = None

    @classmethod
    def read(cls, node: Node) -> Concat:
        if not all(isinstance(value, Typed) for value in node.inputs):
            raise Unsupported(
                "it joins a constant to what depends on the input", "join it to each result yourself"
            )
        return cls(node.axis(0))

    def compute(self, *given: np.ndarray) -> tuple[np.ndarray, ...]:
        return (np.concatenate(given, axis=self.axis),)


@operation(Cast="torch.Tensor.to")
@dataclass(frozen=True)
class Cast(Operation):
    """Another type of elements; whole numbers lose the fraction.

    Attributes
    ----------
    to : str
        As numpy calls it.
    """

    to: str = text_field()

    kind = "cast"
    attributes = frozenset({"to", "saturate", "round_mode"})

    def __post_init__(self) -> None:
        check(self.to in _TYPES.values(), f"{self.to} is no type of elements")

    @classmethod
    def read(cls, node: Node) -> Cast:
        name = _TYPES.get(int(node.attributes["to"]))
        if name is None:
            raise Unsupported("numpy does not have the type that it casts to", "cast to float32 or int64")
        return cls(name)

    def compute(self, *given: np.ndarray) -> tuple[np.ndarray, ...]:
        return (given[0].astype(self.to),)
