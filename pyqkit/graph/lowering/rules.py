"""Registry: what the importer understands of each ONNX node type, and what becomes of such a node.

A rule states the domain and the attributes that it reads. Whatever else a node says is refused by name,
because a meaning that nobody looked at would be computed wrongly without a word.

`handles` announces a rule. Those of `pyqkit/graph/lowering/nodes` are announced when the first is asked for;
any other module may announce one at any time, for a node type that has none yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import numpy as np

from pyqkit.discovery import import_modules
from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.real import Real
from pyqkit.graph.lowering.session import Lowering, Stored, Value, shape_of
from pyqkit.graph.model import shown

ONNX = ("", "ai.onnx")
QONNX = (
    "qonnx.custom_op.general",
    "onnx.brevitas",  # its older names
    "finn.custom_op.general",
)
OWN = ("pyqkit.custom_op.general",)
_READ_STORED = ("Clip", "DequantizeLinear", "Identity")
_KINDS = {int: "whole number", float: "number", str: "text"}


@dataclass
class Node:
    """An ONNX node with its attributes as Python values and its inputs looked up; None is one left out.

    `sources` are the names of its inputs, empty for one left out.
    """

    name: str
    type: str
    inputs: list[Value | None]
    outputs: list[str]
    attributes: dict[str, Any]
    domain: str = ""
    sources: list[str] = field(default_factory=list)

    def constant(self, index: int, what: str) -> np.ndarray:
        """Input `index`, which must be a constant: plain, or integers that a static quantiser has stored."""
        value = self.given(index)
        if isinstance(value, Coded):
            return value.exact()
        if not isinstance(value, np.ndarray):
            raise Unlowerable(f"its {what} is no constant", f"export the model with a constant {what}")
        return value

    def real(self, index: int = 0) -> Real:
        """Input `index`, which must depend on the network's input."""
        value = self.given(index)
        if not isinstance(value, Real):
            raise Unlowerable(
                f"its input {index} is {'left out' if value is None else 'a constant'}",
                "fold constants before exporting",
            )
        return value

    def given(self, index: int) -> Value | None:
        """Input `index`, None if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def needed(self, index: int) -> Value:
        """Input `index`, whatever it is."""
        value = self.given(index)
        if value is None:
            raise Unlowerable(f"its input {index} is left out", "export the model again")
        return value


Lower = Callable[[Lowering, Node], Sequence[Value]]
Announced = TypeVar("Announced", bound=Lower)


@dataclass(frozen=True)
class Rule:
    """What becomes of nodes of one type.

    Attributes
    ----------
    layer : Layer
        The node type, and what it is called outside ONNX.
    lower : callable
        What each output of a node is, from the first on.
    domains : tuple of str
    attributes : frozenset of str
        Read by `lower`, or without a meaning for a network that only runs forward.
    only : mapping of str to value
        Further attributes, each understood with this value alone.
    types : mapping of str to type
        Of the attributes of a node that is not ONNX's own; ONNX's schemas say it of the others.
    inputs : int or None
        How many a node that is not ONNX's own has.
    shape : callable or None
        Shape of what a node makes that is not ONNX's own, with its batch of 1; ONNX's shape inference says it
        of the others.
    axes : tuple of tuple of int
        How many the first inputs may have together, batch included; nothing is said of others. ONNX's shape
        inference takes it for granted that a window slides over something, and kernels over as much.
    moves : bool
        Whether `lower` only changes the view of its first input, which the host can do as well.
    """

    layer: Layer
    lower: Lower
    domains: tuple[str, ...] = ONNX
    attributes: frozenset[str] = frozenset()
    only: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, type] = field(default_factory=dict)
    inputs: int | None = None
    shape: Callable[[Node], tuple[int, ...]] | None = None
    axes: tuple[tuple[int, ...], ...] = ()
    moves: bool = False

    def check(self, node: Node) -> None:
        """Refuse a node that says more than the rule understands.

        Raises
        ------
        Unlowerable
        """
        if node.domain not in self.domains:
            raise Unlowerable(
                f"its domain {shown(node.domain)} is not understood",
                f"use the operator of domain {self.domains[0] or 'ai.onnx'}",
            )
        self._check_inputs(node)
        if node.type not in _READ_STORED and any(isinstance(value, Stored) for value in node.inputs):
            raise Unlowerable(
                "it reads the integers of a QuantizeLinear", "put a DequantizeLinear between the two"
            )
        turned = any(isinstance(value, Real) and value.batch_axis != 0 for value in node.inputs)
        if turned and not self.moves and node.type != "Shape":
            raise Unlowerable(
                "the batch is not the first axis of its input",
                "move it there before",
            )
        for name, value in node.attributes.items():
            self._check_attribute(name, value)

    def _check_inputs(self, node: Node) -> None:
        if self.inputs is not None and any(value is None for value in node.inputs):
            raise Unlowerable("one of its inputs is left out", "export the model again")
        if self.inputs is not None and len(node.inputs) != self.inputs:
            raise Unlowerable(
                f"it has {len(node.inputs)} inputs instead of {self.inputs}", "export the model again"
            )
        allowed = self.axes
        for index in range(len(allowed[0]) if allowed else 0):
            given = node.given(index)
            count = None if given is None else len(shape_of(given))
            fitting = tuple(axes for axes in allowed if axes[index] == count)
            if not fitting and index and isinstance(given, Real):  # where weights were expected
                raise Unlowerable(
                    "both its factors depend on the network's input",
                    "keep attention and other products of matrices outside the accelerator",
                )
            if not fitting:
                came = "is left out" if count is None else f"has {count} axes"
                understood = " or ".join(map(str, sorted({axes[index] for axes in allowed})))
                raise Unlowerable(
                    f"its input {index} {came}, and {understood} axes are understood",
                    f"give it a tensor of {understood} axes",
                )
            allowed = fitting

    def _check_attribute(self, name: str, value: Any) -> None:
        if name in self.only:
            if value != self.only[name]:
                raise Unlowerable(
                    f"its {name} is {value!r}, and only {self.only[name]!r} is understood",
                    f"export it with {name}={self.only[name]!r}",
                )
        elif name not in self.attributes:
            raise Unlowerable(f"its attribute {shown(name)} is not understood", "export the layer without it")
        elif name in self.types and not isinstance(value, self.types[name]):
            raise Unlowerable(
                f"its {name} is {value!r}, no {_KINDS[self.types[name]]}", "export the model again"
            )


_rules: dict[str, Rule] = {}


def handles(
    *types: str | Layer,
    attributes: Iterable[str] | Mapping[str, type] = (),
    only: Mapping[str, Any] | None = None,
    domains: tuple[str, ...] = ONNX,
    inputs: int | None = None,
    shape: Callable[[Node], tuple[int, ...]] | None = None,
    axes: tuple[tuple[int, ...], ...] = (),
    moves: bool = False,
) -> Callable[[Announced], Announced]:
    """Decorator that announces the rule of node types.

    Parameters
    ----------
    types : str or Layer
        Types of nodes; a `Layer` says too what they are called in PyTorch and Brevitas.
    attributes : names, or mapping of names to types
        As for `Rule`; with types for nodes that are not ONNX's own.
    only, domains, inputs, shape, axes, moves
        As for `Rule`.

    Raises
    ------
    ValueError
        If another function handles one of the types already.
    """
    kinds = attributes if isinstance(attributes, Mapping) else {}

    def announce(lower: Announced) -> Announced:
        names = frozenset(attributes)
        for kind in types:
            layer = Layer(kind) if isinstance(kind, str) else kind
            if layer.node in _rules:
                raise ValueError(f"{layer.node} has the rule {_rules[layer.node].lower.__qualname__} already")
            _rules[layer.node] = Rule(
                layer, lower, domains, names, only or {}, kinds, inputs, shape, axes, moves
            )
        return lower

    return announce


def rules() -> dict[str, Rule]:
    """All rules by node type."""
    _announced()
    return _rules


@cache
def _announced() -> None:
    """Import the modules that announce rules, once: lowering a node asks for them several times."""
    import_modules("pyqkit.graph.lowering.nodes")
