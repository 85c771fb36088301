"""Rules: what the importer understands of each ONNX node type, and what becomes of such a node.

A rule states the domain and the attributes that it reads. Whatever else a node says is refused by name,
because a meaning that nobody looked at would be computed wrongly without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pyqkit.discovery import import_modules
from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.real import Real
from pyqkit.graph.model import shown

if TYPE_CHECKING:
    from pyqkit.graph.importer import Lowering

ONNX = ""
QONNX = (
    "qonnx.custom_op.general",
    "onnx.brevitas",
    "finn.custom_op.general",
)  # the last two are its older names
OWN = ("pyqkit.custom_op.general",)
_KINDS = {int: "whole number", float: "number", str: "text"}


@dataclass
class Node:
    """An ONNX node with its attributes as Python values and its inputs looked up."""

    name: str
    type: str
    inputs: list[Any]
    outputs: list[str]
    attributes: dict[str, Any]
    domain: str = ONNX

    def constant(self, index: int, what: str) -> np.ndarray:
        """Input `index`, which must be a plain constant."""
        value = self.given(index)
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

    def given(self, index: int) -> Any:
        """Input `index`, None if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None


def shape_of(value: Any) -> tuple[int, ...]:
    """Shape of an ONNX tensor, whose batch is 1 if it depends on the input."""
    if isinstance(value, Real):
        return (1, *value.shape)
    return value.codes.shape if isinstance(value, Coded) else value.shape


Lower = Callable[["Lowering", Node], "list[Any]"]


@dataclass(frozen=True)
class Rule:
    """What becomes of nodes of one type.

    Attributes
    ----------
    lower : callable
    domains : tuple of str
    attributes : frozenset of str
        Read by `lower`, or without a meaning for a network that only runs forward.
    only : mapping of str to value
        Further attributes, each understood with this value alone.
    types : mapping of str to type
        Of the attributes of a node that is not ONNX's own; ONNX's schemas say it of the others.
    inputs : int or None
        How many a node that is not ONNX's own has.
    axes : tuple of int
        Of the first inputs, batch included; nothing is said of others. ONNX's shape inference takes it for
        granted that a window slides over something.
    """

    lower: Lower
    domains: tuple[str, ...] = (ONNX, "ai.onnx")
    attributes: frozenset[str] = frozenset()
    only: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, type] = field(default_factory=dict)
    inputs: int | None = None
    axes: tuple[int, ...] = ()

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
        if self.inputs is not None and any(value is None for value in node.inputs):
            raise Unlowerable("one of its inputs is left out", "export the model again")
        if self.inputs is not None and len(node.inputs) != self.inputs:
            raise Unlowerable(
                f"it has {len(node.inputs)} inputs instead of {self.inputs}", "export the model again"
            )
        for index, axes in enumerate(self.axes):
            given = node.given(index)
            if given is None or len(shape_of(given)) != axes:
                came = "is left out" if given is None else f"has {len(shape_of(given))} axes"
                raise Unlowerable(
                    f"its input {index} {came}, and {axes} axes are understood",
                    f"give it a tensor of {axes} axes",
                )
        for name, value in node.attributes.items():
            if name in self.only:
                if value != self.only[name]:
                    raise Unlowerable(
                        f"its {name} is {value!r}, and only {self.only[name]!r} is understood",
                        f"export it with {name}={self.only[name]!r}",
                    )
            elif name not in self.attributes:
                raise Unlowerable(
                    f"its attribute {shown(name)} is not understood", "export the layer without it"
                )
            elif name in self.types and not isinstance(value, self.types[name]):
                raise Unlowerable(
                    f"its {name} is {value!r}, no {_KINDS[self.types[name]]}", "export the model again"
                )


_rules: dict[str, Rule] = {}


def handles(
    *types: str, attributes: Any = (), only: Mapping[str, Any] | None = None, **described: Any
) -> Callable[[Lower], Lower]:
    """Decorator that announces the rule of node types.

    Parameters
    ----------
    types : str
    attributes : names, or mapping of names to types
        As for `Rule`; with types for nodes that are not ONNX's own.
    only, described
        As for `Rule`.
    """
    kinds = attributes if isinstance(attributes, Mapping) else {}

    def announce(lower: Lower) -> Lower:
        rule = Rule(lower, attributes=frozenset(attributes), only=only or {}, types=kinds, **described)
        _rules.update(dict.fromkeys(types, rule))
        return lower

    return announce


def rules() -> dict[str, Rule]:
    """All rules by node type."""
    import_modules("pyqkit.graph.lowering.nodes")
    return _rules
