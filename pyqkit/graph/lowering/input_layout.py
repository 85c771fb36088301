"""In which order the numbers of an input travel.

A stream is channels-last: pixel by pixel, channels innermost. Which axis of the ONNX input holds the channels
is not written in the file. It follows from what its first layer reads: nodes between the input and that layer
that only move elements are followed, and an order is chosen in which nothing has to be moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from pyqkit.graph import limits
from pyqkit.graph.graph import Graph
from pyqkit.graph.letters import summed_axes
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.real import Real, fractions, plain_view
from pyqkit.graph.lowering.rules import Node, rules
from pyqkit.graph.lowering.session import Lowering, Value
from pyqkit.graph.model import QUANTISERS, attribute_values, constant_array, is_tensor

Shape = tuple[int, int, int]
Constants = Mapping[str, np.ndarray]

# Nodes that read channels along the last axis
_ALONG_LAST = ("MatMul", "LayerNormalization", "RMSNormalization")
_NOTHING = Lowering(Graph("nothing"), 0, set())  # rules that only move elements look at no import
_MOVES = ("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze")
# Nodes that leave axes where they are
_IN_PLACE = {
    *QUANTISERS,
    *("QuantizeLinear", "DequantizeLinear", "Clip", "Cast", "Identity", "Dropout", "Pad", "Slice"),
    *("Add", "Sub", "Mul", "Div", "Neg", "Relu", "LeakyRelu", "Sigmoid", "Tanh", "HardSigmoid"),
}


def input_layout(
    graph: Any, name: str, shape: tuple[int, ...], constants: Constants
) -> tuple[Shape, np.ndarray]:
    """Shape (height, width, channels) of the stream of an input, and the place of each element in it.

    Parameters
    ----------
    graph : onnx.GraphProto
    name : str
        Of the input.
    shape : tuple of int
        Of the input, without the batch.
    constants : mapping of str to numpy.ndarray
        Initialisers.

    Returns
    -------
    base : (int, int, int)
    order : numpy.ndarray of int
        Of the shape of the input: places in the flattened `base`.
    """
    height, width = [1] * (3 - len(shape)) + list(shape[1:])  # a row is an image of one
    usual = height, width, shape[0]
    order, size = plain_view(usual).reshape(shape), int(np.prod(shape))
    found = _Walk(graph, name, shape, constants)
    if found.image is not None:
        image = found.image.transpose(1, 2, 0)
        own = np.argsort(image, axis=None).reshape(shape)
        rows, columns, channels = image.shape
        if channels <= limits.CHANNELS and not np.array_equal(own, order):  # or else another shape is enough
            return (rows, columns, channels), own
    elif found.by_element and size <= limits.CHANNELS:
        return (1, 1, size), np.arange(size).reshape(shape)
    return usual, order


def _is_square(node: Any) -> bool:
    return node.op_type == "Pow" or (node.op_type == "Mul" and len(set(node.input)) == 1)


class _Walk:
    """Nodes from the input to the first that computes with neighbours.

    Attributes
    ----------
    image : numpy.ndarray or None
        What the first layer that reads channels, rows and columns reads: for each element its place in the
        flattened input, (channels, rows, columns).
    by_element : bool
        Whether a constant on the way is anything but one number, or one a channel along the axis behind the
        batch.
    """

    def __init__(self, graph: Any, name: str, shape: tuple[int, ...], constants: Constants) -> None:
        self.image: np.ndarray | None = None
        self.by_element = False
        self._constants = dict(constants)
        self._places = {name: np.arange(int(np.prod(shape))).reshape(1, *shape)}
        self._rules = rules()
        self._readers: dict[str, list[Any]] = {}
        for node in graph.node:
            for source in set(node.input):
                self._readers.setdefault(source, []).append(node)
        for node in graph.node:
            if node.op_type == "Constant":
                self._read(node)
            elif self.image is None:
                self._follow(node)

    def _read(self, node: Any) -> None:
        value = attribute_values(node).get("value")
        if is_tensor(value):
            self._constants[node.output[0]] = constant_array(value)

    def _follow(self, node: Any) -> None:
        sources = sorted({name for name in node.input if name in self._places})
        if len(sources) != 1 or node.op_type == "Shape":
            return
        places = self._places[sources[0]]
        along_last = node.op_type in _ALONG_LAST or self._is_of_norm(node, places.ndim)
        if node.op_type in _IN_PLACE and not along_last:
            if node.op_type not in ("Pad", "Slice"):
                self._see_constants(node, sources[0], places.ndim)
            self._places[node.output[0]] = places
        elif node.op_type in _MOVES:
            self._move(node, places)
        elif node.op_type == "Einsum":
            self._sum(node, sources[0], places)
        elif places.ndim in (3, 4):
            read = np.moveaxis(places[0], -1, 0) if along_last else places[0]
            self.image = read if read.ndim == 3 else read[:, None, :]

    def _is_of_norm(self, node: Any, rank: int) -> bool:
        """Whether a node is the first of a layer norm or an RMS norm in pieces."""
        if _is_square(node):
            return any(self._is_mean(reader, rank) for reader in self._behind(node))
        if not self._is_mean(node, rank):
            return False
        moved = [reader for reader in self._behind(node) if reader.op_type == "Sub"]
        return any(_is_square(reader) for sub in moved for reader in self._behind(sub))

    def _behind(self, node: Any) -> list[Any]:
        """What reads the result of a node, with casts left out."""
        found, seen, pending = [], set(), list(node.output[:1])
        while pending:
            name = pending.pop()
            for reader in self._readers.get(name, []) if name not in seen else []:
                if reader.op_type == "Cast":
                    pending += reader.output[:1]
                else:
                    found.append(reader)
            seen.add(name)
        return found

    def _is_mean(self, node: Any, rank: int) -> bool:
        """Whether a node is a mean over the last axis alone."""
        if node.op_type != "ReduceMean":
            return False
        given = self._constants.get(node.input[1]) if len(node.input) > 1 else None
        axes = np.ravel(attribute_values(node).get("axes", []) if given is None else given)
        return axes.dtype.kind == "i" and [int(axis) % rank for axis in axes] == [rank - 1]

    def _move(self, node: Any, places: np.ndarray) -> None:
        """As the rule of the node says; what it refuses is reported when the node is lowered."""
        source = Real((), fractions(0), (1, 1, places.size), places[0])
        inputs: list[Value | None] = [source, *(self._constants.get(name) for name in node.input[1:])]
        move = Node(node.name, node.op_type, inputs, list(node.output), attribute_values(node), node.domain)
        with suppress(Unlowerable, ValueError):
            (moved,) = self._rules[node.op_type].lower(_NOTHING, move)
            assert isinstance(moved, Real)
            self._places[node.output[0]] = moved.view[None]

    def _sum(self, node: Any, source: str, places: np.ndarray) -> None:
        """What a sum by letters adds up are channels."""
        formula = str(attribute_values(node).get("equation", ""))
        summed = summed_axes(formula, list(node.input).index(source), places.ndim)
        others = [axis for axis in range(1, places.ndim) if axis not in summed]
        if summed and 0 not in summed and 0 < len(others) < 3:
            pixels = [1, *(places.shape[axis] for axis in others)][-2:]
            self.image = places[0].transpose([axis - 1 for axis in (*summed, *others)]).reshape(-1, *pixels)

    def _see_constants(self, node: Any, source: str, axes: int) -> None:
        for name in node.input:
            values = self._constants.get(name)
            if name != source and values is not None and values.size > 1:
                varied = {axis - values.ndim + axes for axis, n in enumerate(values.shape) if n > 1}
                self.by_element |= varied != {1}
