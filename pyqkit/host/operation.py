"""`Operation`: what the host computes of the accelerator's outputs, one file of `operations` for each kind.

A new file there is found by its ``@operation`` decorator, which names the ONNX nodes that it computes. An
operation is a frozen dataclass whose fields are made by `pyqkit.graph.fields`, so that build folders keep it
as data; it says itself how it is read from a node of the ONNX file.

Arrays have the frames first, as the batch of the ONNX file, whose other axes keep their numbers. Functions of
real numbers are computed in float64 and rounded once to the type of their input, so a float32 result is the
exact one, rounded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from pyqkit.discovery import import_modules


class Unsupported(Exception):
    """A node that the host does not compute: why, and what to do instead."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


@dataclass(frozen=True)
class Typed:
    """A tensor of an ONNX file that is no constant: the type of its elements, and its shape."""

    type: np.dtype
    shape: tuple[int, ...]


Input = Typed | np.ndarray | None  # what depends on frames, of a batch of 1; a constant; one that is left out


@dataclass(frozen=True, eq=False)
class Node:
    """What a node of the ONNX file says.

    Attributes
    ----------
    type : str
    opset : int
        Version of ONNX's operators that the file asks for.
    attributes : mapping of str to object
        As Python values.
    inputs : tuple of Input
    """

    type: str
    opset: int
    attributes: Mapping[str, Any]
    inputs: tuple[Input, ...]

    @property
    def rank(self) -> int:
        """Axes of the first input, the batch included."""
        first = self.inputs[0]
        assert first is not None
        return len(first.shape)

    def axis(self, default: int) -> int:
        """Attribute `axis` of the first input, counted from the first one.

        Raises
        ------
        Unsupported
            For the batch.
        """
        axis = int(self.attributes.get("axis", default)) % self.rank
        if axis == 0:
            raise Unsupported(
                "it goes along the batch", "keep the batch as the first axis, and go along another"
            )
        return axis

    def constant(self, index: int, what: str) -> np.ndarray | None:
        """Input `index`, which must be a constant; None if it is left out."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if isinstance(found, Typed):
            raise Unsupported(f"its {what} is no constant", f"export the model with a constant {what}")
        return found

    def number(self, index: int, key: str) -> float | None:
        """One number that newer op-sets give as an input and older ones as an attribute; None if neither."""
        given = self.constant(index, key)
        value = np.asarray(self.attributes.get(key) if given is None else given)
        if value.dtype == object:
            return None
        if value.size != 1:
            raise Unsupported(f"its {key} has {value.size} elements", f"use one {key} for the whole tensor")
        return float(value.ravel()[0])


@dataclass(frozen=True)
class Operation(ABC):
    """Base of all operations; subclasses are frozen dataclasses registered with `operation`.

    Attributes
    ----------
    kind : str
        Its name in a build folder.
    types : mapping of str to str
        What `operation` was told.
    attributes : frozenset of str
        Those of these nodes that `read` understands; any other is refused.
    arguments : int or None
        How many of a node's inputs, from the first on, it computes with; None for all.
    """

    kind: ClassVar[str]
    types: ClassVar[Mapping[str, str]] = {}
    attributes: ClassVar[frozenset[str]] = frozenset()
    arguments: ClassVar[int | None] = 1

    @classmethod
    @abstractmethod
    def read(cls, node: Node) -> Operation:
        """The operation of a node of one of `types`.

        Raises
        ------
        Unsupported
        """

    @abstractmethod
    def compute(self, *given: np.ndarray) -> tuple[np.ndarray, ...]:
        """Outputs of the node, each of which has the frames first; so have inputs that are no constants."""


_kinds: dict[str, type[Operation]] = {}
_Class = TypeVar("_Class", bound=type[Operation])


def operation(**types: str) -> Callable[[_Class], _Class]:
    """Class decorator that announces an operation.

    Parameters
    ----------
    **types : str
        ONNX node types that it computes, and what each is called in PyTorch.
    """

    def announce(cls: _Class) -> _Class:
        cls.types = types
        _kinds[cls.kind] = cls
        return cls

    return announce


def kinds() -> dict[str, type[Operation]]:
    """All operations by kind."""
    import_modules("pyqkit.host.operations")
    return _kinds


def for_type(node_type: str) -> type[Operation] | None:
    """The operation that computes ONNX nodes of a type, None if there is none."""
    return next((cls for cls in kinds().values() if node_type in cls.types), None)


def read(node: Node) -> Operation:
    """The operation of a node.

    Raises
    ------
    Unsupported
        If there is none, or it does not understand what the node says.
    """
    cls = for_type(node.type)
    if cls is None:
        names = sorted(name for found in kinds().values() for name in found.types)
        raise Unsupported("the host does not compute it", f"end the network with {', '.join(names)}")
    unknown = sorted(set(node.attributes) - cls.attributes)
    if unknown:
        raise Unsupported(f"its attribute {unknown[0]} is not understood", "export the layer without it")
    for constant in node.inputs[: cls.arguments]:
        if isinstance(constant, np.ndarray) and not np.isfinite(constant.astype(np.float64)).all():
            raise Unsupported("a constant of it is no finite number", "check the parameters of the layer")
    return cls.read(node)
