"""Nodes that read tensors whose batch is not the first axis, as attention is exported with heads beside it.

Where the batch stands changes nothing for what goes element by element, along the last axis or along the last
two. So such nodes are lowered as if the batch stood first, and what they make has it where it was. A batch of
1 may be part of another axis, as ``(batch * heads, tokens, channels)``: then all axes are those of a frame.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.real import Real
from pyqkit.graph.lowering.rules import Node
from pyqkit.graph.lowering.session import Lowering, Stored, shape_of

ACROSS = (
    "it moves elements across the batch",
    "keep the batch as the first axis, or export the model with a batch of 1; x[:, [1, 0]] is exported so, "
    "too: write torch.index_select",
)
_ELEMENTS = frozenset(
    {
        *("Quant", "FloatQuant", "FormatQuant", "BipolarQuant", "QuantizeLinear", "DequantizeLinear"),
        *("Add", "Sub", "Mul", "Div", "Relu", "Gelu", "Erf", "Sigmoid", "Tanh", "Identity", "Cast"),
    }
)
_ALONG_LAST = frozenset({"Softmax", "LayerNormalization", "RMSNormalization"})


def batch_first(node: Node) -> tuple[Node, int | None] | None:
    """A node with the batch of its inputs in front, and where it was.

    None where it is there already, and for nodes that need it to be there.
    """
    moving = [value for value in node.inputs if isinstance(value, (Real, Stored))]
    places, ranks = {_place(value) for value in moving}, {len(shape_of(value)) for value in moving}
    if places in (set(), {0}) or len(places) > 1 or len(ranks) > 1:
        return None
    (place,), (rank,) = places, ranks
    if not _may(node, place, rank, len(moving)):
        return None
    inputs = [value if value is None else _first(value, place, rank) for value in node.inputs]
    attributes = dict(node.attributes)
    if node.type in _ALONG_LAST and attributes.get("axis", -1) >= 0:
        attributes["axis"] += place is None
    return replace(node, inputs=inputs, attributes=attributes), place


def _may(node: Node, place: int | None, rank: int, moving: int) -> bool:
    """Whether a node makes the same wherever the batch stands."""
    constants = [value for value in node.inputs if isinstance(value, (np.ndarray, Coded))]
    if any(len(shape_of(value)) > rank for value in constants):
        return False
    if node.type in ("QuantizeLinear", "DequantizeLinear"):  # whose axis is that of several scales
        return all(np.size(value) == 1 for value in constants if isinstance(value, np.ndarray))
    if node.type in _ELEMENTS:
        return True
    if node.type == "MatMul":
        return place is None or place < rank - moving
    last = int(node.attributes.get("axis", -1)) % rank == rank - 1
    return node.type in _ALONG_LAST and (place is None or (last and place < rank - 1))


def batch_back(value: Any, place: int | None) -> Any:
    """What such a node made, with the batch where it was."""
    if isinstance(value, Stored):
        return replace(value, source=batch_back(value.source, place))
    return replace(value, batch_axis=place) if isinstance(value, Real) else value


def forget(lowering: Lowering, names: Collection[str]) -> None:
    """Such tensors of the file are not compared one by one: their axes are others than those of streams."""
    graph = lowering.graph
    turned = [tensor for tensor, name in graph.sources.items() if name in names]
    for tensor in turned:
        del graph.sources[tensor]
    graph.channels_last = [tensor for tensor in graph.channels_last if tensor not in turned]


def _place(value: Real | Stored) -> int | None:
    source = value.source if isinstance(value, Stored) else value
    return source.batch_axis if isinstance(source, Real) else 0


def _first(value: Any, place: int | None, rank: int) -> Any:
    if isinstance(value, Stored):
        return replace(value, source=_first(value.source, place, rank), made={})
    if isinstance(value, Real):
        return replace(value, batch_axis=0)
    # Of a constant, the axis that meets the batch.
    axis = -1 if place is None else place - (rank - len(shape_of(value)))
    if axis < 0 or shape_of(value)[axis] != 1:
        return value
    if isinstance(value, Coded):
        return value.moved(lambda codes: np.squeeze(codes, axis))
    return np.squeeze(value, axis)
