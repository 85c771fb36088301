"""One node of a QONNX file as its rule sees it, and how a rule says that it cannot go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from pyqkit.errors import UserError
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.quantised import Masked, Quantised, Turned, Value, ratio_of, real_of
from pyqkit.reference.ratio import Ratio

ONNX = ("", "ai.onnx")  # names of ONNX's own domain


@dataclass(frozen=True, eq=False)
class Node:
    """A node with its inputs looked up.

    Attributes
    ----------
    name, type : str
    inputs : list
        A value for each input, None for one that is left out.
    varies : list of bool
        Which inputs depend on the network's input; the first axis of those is the batch.
    outputs : int
        How many results are used.
    attributes : dict of str to object
        As Python values.
    batch : int
        Frames that one run of the file takes.
    evaluate : callable
        Executes the node on plain arrays by ONNX's own reference implementation.
    opset : int
        Version of ONNX's operators that the file asks for.
    """

    name: str
    type: str
    inputs: list[Value | None]
    varies: list[bool]
    outputs: int
    attributes: dict[str, Any]
    batch: int
    evaluate: Callable[[list[np.ndarray | None]], list[np.ndarray]]
    opset: int = 18

    def refuse(self, expected: str, came: str, remedy: str) -> NoReturn:
        """Raise the error that says why this node has no value."""
        raise UserError(
            f"{expected} expected by the reference at {self.name} ({self.type}), but {came}; {remedy}"
        )

    def given(self, index: int) -> Value | None:
        """Input `index`, None if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def value(self, index: int) -> Value:
        """Input `index`, which must be there."""
        found = self.given(index)
        if found is None:
            self.refuse(f"input {index} was", "it is left out", "export the model again")
        if isinstance(found, Turned):
            self.refuse("the batch as the first axis was", f"axis {found.axis} is it", "move it to the front")
        if isinstance(found, Masked):
            self.refuse(
                "a softmax behind a mask was", "this node reads it", "quantise the scores before the mask"
            )
        return found

    def real(self, index: int) -> DoubleDouble:
        """Input `index` as real numbers."""
        return real_of(self.value(index))

    def ratio(self, index: int) -> Ratio:
        """Input `index` as a double-double over a divisor."""
        return ratio_of(self.value(index))

    def constant(self, index: int, what: str) -> np.ndarray:
        """Input `index`, which must be a constant: plain, or integers that a static quantiser has stored."""
        found = self.value(index)
        if isinstance(found, Quantised) and not self.varies[index]:
            return real_of(found).high
        if not isinstance(found, np.ndarray):
            self.refuse(
                f"a constant {what} was", "it is computed", f"export the model with a constant {what}"
            )
        return found

    def one_frame(self, constant: Value, axis: int = 0) -> Value:
        """A constant beside what the network computes, which the file holds once for each frame of a run."""

        def how(a: np.ndarray) -> np.ndarray:
            first = a.take([0], axis)
            if (a != first).any():
                self.refuse("one constant for every frame was", "they differ", "keep frames apart")
            return first

        return how(constant) if isinstance(constant, np.ndarray) else constant.map(how)

    def numbers(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        return tuple(int(v) for v in self.attributes.get(key, default))


Rule = Callable[[Node], list[Value]]


@dataclass(frozen=True)
class Operation:
    """What executes a node type.

    Attributes
    ----------
    rule : callable
    attributes : frozenset of str
        Those that the rule understands; any other is refused.
    domains : tuple of str
    """

    rule: Rule
    attributes: frozenset[str] = frozenset()
    domains: tuple[str, ...] = ONNX

    def __call__(self, node: Node) -> list[Value]:
        unknown = sorted(set(node.attributes) - self.attributes)
        if unknown:
            known = ", ".join(sorted(self.attributes)) or "none"
            node.refuse(
                f"attributes out of {known} were", f"{unknown[0]} came", "export the layer without it"
            )
        return self.rule(node)


def one(rule: Callable[[Node], Value], *attributes: str) -> Operation:
    """Operation with one result."""
    return Operation(lambda node: [rule(node)], frozenset(attributes))


def broadcasting(rule: Callable[[Node], Value]) -> Operation:
    """Operation with one result whose constants may be those of all frames of a run, by broadcasting."""

    def with_one_frame(node: Node) -> Value:
        ranks = [len(v.shape) for v, varies in zip(node.inputs, node.varies) if varies and v is not None]
        per_run = (node.batch, max(ranks, default=0))
        inputs = [
            value
            if value is None or varies or (*value.shape[:1], len(value.shape)) != per_run
            else node.one_frame(value)
            for value, varies in zip(node.inputs, node.varies)
        ]
        return rule(replace(node, inputs=inputs))

    return one(with_one_frame)
