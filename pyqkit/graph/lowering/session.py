"""State of one import: the graph that grows, what is known of ONNX tensors, and the names that are taken."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.errors import Problem
from pyqkit.graph.lowering.real import Real
from pyqkit.graph.ops.layout import Permute
from pyqkit.names import LONGEST, Identifiers, identifier

if TYPE_CHECKING:
    from pyqkit.graph.lowering.rules import Node


@dataclass(frozen=True, eq=False)
class Stored:
    """Integers that a QuantizeLinear makes, ``clip(round(source / scale) + zero point)``.

    Attributes
    ----------
    source : numpy.ndarray, Coded or Real
    scale : numpy.ndarray
        With as many axes as the tensor, or none.
    zero_point : int
    type : numpy.dtype
    low, high : int
        Ends of the integers.
    made : dict
        What a DequantizeLinear has made of them, by their ends: several may read them.
    """

    source: np.ndarray | Coded | Real
    scale: np.ndarray
    zero_point: int
    type: np.dtype
    low: int
    high: int
    made: dict[tuple[int, int], Real] = field(default_factory=dict)

    def within(self, low: int, high: int) -> Stored:
        """The same integers in a smaller range."""
        return replace(self, low=low, high=high)


# an ONNX tensor: a constant, a quantised one, what depends on the input, or integers that wait to be numbers
Value = np.ndarray | Coded | Real | Stored


@dataclass(frozen=True, eq=False)
class Hosted:
    """What the host alone can compute, behind the accelerator.

    Attributes
    ----------
    type : numpy.dtype
    shape : tuple of int
        Its batch of 1 included.
    problem : Problem
        Of the first node on the way to it that nothing in the accelerator computes; a problem for who reads
        this inside the network.
    """

    type: np.dtype
    shape: tuple[int, ...]
    problem: Problem


def shape_of(value: Value | Hosted) -> tuple[int, ...]:
    """Shape of an ONNX tensor, whose batch is 1 if it depends on the input."""
    if isinstance(value, Real) and value.batch_axis is None:
        return value.shape
    if isinstance(value, Real):
        return (*value.shape[: value.batch_axis], 1, *value.shape[value.batch_axis :])
    if isinstance(value, Stored):
        return shape_of(value.source)
    if isinstance(value, Hosted):
        return value.shape
    return value.codes.shape if isinstance(value, Coded) else value.shape


@dataclass
class Lowering:
    """One import.

    Attributes
    ----------
    graph : Graph
        Operators so far.
    opset : int
        Version of ONNX's own operators that the model asks for.
    batch : int
        Frames that one run of the file takes; everything here is about the first of them.
    needed : set of str
        ONNX tensors that the outputs depend on.
    at_end : set of str
        ONNX tensors of which only nodes make something that the host computes as well.
    values : dict of str to Value or Hosted
        What is known of ONNX tensors, by name.
    makers : dict of str to Node
        The node that makes an ONNX tensor, of those that depend on the input.
    problems : list of Problem
        Nodes that cannot be lowered.
    input_orders : dict of str to numpy.ndarray
        Of the ONNX shape of each input, without the batch: the place of each element in the stream.
    input_tensors : dict of tuple to str
        Tensor of each quantiser of an input, by all that tells two quantisers apart.
    layers : dict of str to str
        Names of layers by the ONNX tensors that they make; see `pyqkit.graph.layer_names`.
    widened : dict of str to str
        For tensors that were moved to a larger format: the tensor of the same integers.
    names : Identifiers
        Of operators and tensors.
    kinds : dict of str to str
        Kind of the operator that was first called so.
    folded : int
        Elements of constants that were computed.
    moved : dict of tuple to str
        Tensor behind each operator that only moves, by the tensor before it and what it does.
    """

    graph: Graph
    opset: int
    needed: set[str]
    at_end: set[str] = field(default_factory=set)
    values: dict[str, Value | Hosted] = field(default_factory=dict)
    makers: dict[str, Node] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    input_orders: dict[str, np.ndarray] = field(default_factory=dict)
    input_tensors: dict[tuple, str] = field(default_factory=dict)
    layers: dict[str, str] = field(default_factory=dict)
    widened: dict[str, str] = field(default_factory=dict)
    names: Identifiers = field(default_factory=lambda: Identifiers(longest=LONGEST))
    kinds: dict[str, str] = field(default_factory=dict)
    folded: int = 0
    moved: dict[tuple[str, type[Operator], str], str] = field(default_factory=dict)
    batch: int = 1

    def stem(self, wanted: str) -> str:
        """The layer that makes an ONNX tensor, or another name, as an identifier."""
        return identifier(self.layers.get(wanted, wanted))

    def name(self, wanted: str) -> str:
        """A name that nothing has yet."""
        return self.names.new(self.stem(wanted))

    def emit(self, kind: type[Operator], wanted: str, inputs: list[str], **parameters: Any) -> Tensor:
        """Append an operator with one output; operator and tensor get the same, new name.

        A second operator of a layer has its kind in its name: ``conv1`` and ``conv1_threshold``.
        """
        different: list[str] = []
        for source in inputs:  # an operator reads each stream once: it gets a copy for the second time
            different.append(self.copy(source, wanted) if source in different else source)
        stem = self.stem(wanted)
        first = self.kinds.setdefault(stem, kind.kind)
        name = self.name(stem if first == kind.kind else f"{stem}_{kind.kind}")
        (tensor,) = self.graph.add(kind(name, different, [name], **parameters))
        return tensor

    def copy(self, tensor: str, wanted: str) -> str:
        """A tensor of the same codes as `tensor`."""
        channels = list(range(self.graph.tensors[tensor].shape[2]))
        return self.emit(Permute, f"{self.stem(wanted)}_copy", [tensor], channels=channels).name

    def note(self, sentence: str) -> None:
        """Record a decision for the conversion report."""
        self.graph.notes.append(sentence)
