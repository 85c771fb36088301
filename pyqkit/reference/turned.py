"""Nodes that read tensors whose batch is not the first axis in the file.

Values have their batch in front. That changes nothing for what goes element by element, along the last axis
or along the last two; constants lose the axis that meets the batch.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyqkit.reference.node import Node, Operation
from pyqkit.reference.quantised import Quantised, Turned, Value

_ELEMENTS = frozenset(
    {
        *("Quant", "FloatQuant", "FormatQuant", "BipolarQuant", "QuantizeLinear", "DequantizeLinear"),
        *("Add", "Sub", "Mul", "Div", "Relu", "Gelu", "Erf", "Sigmoid", "Tanh", "Identity", "Cast"),
    }
)
_LAST_AXES = {"Softmax": 1, "LayerNormalization": 1, "RMSNormalization": 1, "MatMul": 2}


def executed(node: Node, operation: Operation) -> list[Value]:
    """What an operation makes of a node, wherever the batch of its inputs is."""
    given = [value for value in node.inputs if isinstance(value, Turned)]
    if not given or not (node.type in _ELEMENTS or node.type in _LAST_AXES):
        return operation(node)
    axis, rank = given[0].axis, len(given[0].shape)
    _check(node, axis, rank)
    inputs = [
        None if value is None else _first(node, value, axis, rank, varies)
        for value, varies in zip(node.inputs, node.varies)
    ]
    attributes = dict(node.attributes)
    if axis is None and attributes.get("axis", -1) >= 0:
        attributes["axis"] += 1
    made = operation(replace(node, inputs=inputs, attributes=attributes))
    return [Turned(value, axis) for value in made]  # type: ignore[arg-type]


def _check(node: Node, axis: int | None, rank: int) -> None:
    """Refuse a node that reads the axis where the batch is."""
    varying = [value for value, varies in zip(node.inputs, node.varies) if varies and value is not None]
    alike = all(
        isinstance(value, Turned) and value.axis == axis and len(value.shape) == rank for value in varying
    )
    read = _LAST_AXES.get(node.type, 0) - (node.type == "MatMul" and len(varying) == 1)
    along = int(node.attributes.get("axis", -1)) % rank if node.type in _LAST_AXES else rank - 1
    if not alike or (axis is not None and (axis >= rank - read or along != rank - 1)):
        node.refuse("the batch as the first axis was", f"axis {axis} is it", "move it to the front")


def _first(node: Node, value: Value, axis: int | None, rank: int, varies: bool) -> Value:
    if isinstance(value, Turned):
        return value.value
    meets = -1 if axis is None or varies else axis - (rank - len(value.shape))
    if meets < 0 or value.shape[meets] not in (1, node.batch):
        return value
    value = node.one_frame(value, meets)
    if isinstance(value, np.ndarray):
        return np.squeeze(value, meets)
    assert isinstance(value, Quantised)
    return value.map(lambda a: np.squeeze(a, meets))
