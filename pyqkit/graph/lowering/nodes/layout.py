"""Nodes that only move elements: they act on the view of a `Real`, or on the codes of a quantised constant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from pyqkit.graph.importer import Lowering
from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.real import Real
from pyqkit.graph.lowering.rules import Node, handles


def _move(node: Node, how: Callable[[np.ndarray], np.ndarray]) -> Any:
    """Apply a function of a whole ONNX tensor, batch axis included."""
    source = node.inputs[0]
    if isinstance(source, Coded):
        return source.moved(how)
    real = node.real()
    moved = how(real.view[None])
    if moved.ndim < 1 or moved.shape[0] != 1:
        raise Unlowerable("it moves elements across the batch", "keep the batch as the first axis")
    return replace(real, view=moved[0])


@handles("Reshape", only={"allowzero": 0})
def reshape(lowering: Lowering, node: Node) -> list[Any]:
    target = [int(v) for v in node.constant(1, "shape")]

    def how(array: np.ndarray) -> np.ndarray:
        return array.reshape([array.shape[i] if v == 0 else v for i, v in enumerate(target)])

    return [_move(node, how)]


@handles("Flatten", attributes=("axis",))
def flatten(lowering: Lowering, node: Node) -> list[Any]:
    if node.attributes.get("axis", 1) != 1:
        raise Unlowerable("it flattens the batch", "flatten from axis 1")
    return [_move(node, lambda a: a.reshape(a.shape[0], -1))]


@handles("Transpose", attributes=("perm",))
def transpose(lowering: Lowering, node: Node) -> list[Any]:
    order = node.attributes.get("perm")
    return [_move(node, lambda a: a.transpose(order))]


@handles("Squeeze", attributes=("axes",))
def squeeze(lowering: Lowering, node: Node) -> list[Any]:
    axes = node.inputs[1] if len(node.inputs) > 1 else node.attributes.get("axes")
    if axes is None:
        raise Unlowerable("it drops every axis of length 1", "name the axes")
    return [_move(node, lambda a: a.squeeze(tuple(int(v) for v in np.asarray(axes).ravel())))]


@handles("Unsqueeze", attributes=("axes",))
def unsqueeze(lowering: Lowering, node: Node) -> list[Any]:
    axes = node.inputs[1] if len(node.inputs) > 1 else node.attributes["axes"]
    return [_move(node, lambda a: np.expand_dims(a, tuple(int(v) for v in np.asarray(axes).ravel())))]


@handles("Slice", attributes=("starts", "ends", "axes"))
def take_slice(lowering: Lowering, node: Node) -> list[Any]:
    if "starts" in node.attributes:
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        axes, steps = node.attributes.get("axes", range(len(starts))), [1] * len(starts)
    else:
        starts, ends = node.constant(1, "start"), node.constant(2, "end")
        axes = node.inputs[3] if len(node.inputs) > 3 and node.inputs[3] is not None else range(len(starts))
        steps = node.inputs[4] if len(node.inputs) > 4 and node.inputs[4] is not None else [1] * len(starts)

    def how(array: np.ndarray) -> np.ndarray:
        index = [slice(None)] * array.ndim
        for axis, start, end, step in zip(axes, starts, ends, steps):
            stop = None if int(step) < 0 and int(end) < -array.shape[int(axis)] else int(end)
            index[int(axis)] = slice(int(start), stop, int(step))
        return array[tuple(index)]

    return [_move(node, how)]


@handles("Gather", attributes=("axis",))
def gather(lowering: Lowering, node: Node) -> list[Any]:
    indices = node.constant(1, "index")
    return [_move(node, lambda a: np.take(a, indices, axis=int(node.attributes.get("axis", 0))))]


@handles("Split", attributes=("axis", "split", "num_outputs"))
def split(lowering: Lowering, node: Node) -> list[Any]:
    axis = int(node.attributes.get("axis", 0))
    sizes = node.inputs[1] if len(node.inputs) > 1 and node.inputs[1] is not None else node.attributes.get("split")
    length = (1, *node.real().shape)[axis]
    if sizes is None:
        part = -(-length // len(node.outputs))
        sizes = [min(part, length - i * part) for i in range(len(node.outputs))]
    ends = np.cumsum([int(s) for s in sizes])
    return [_move(node, partial(np.take, indices=range(int(end - size), int(end)), axis=axis)) for end, size in zip(ends, sizes)]


@handles("Pad", attributes=("pads", "value", "mode"))
def pad(lowering: Lowering, node: Node) -> list[Any]:
    amounts = np.asarray(node.inputs[1] if len(node.inputs) > 1 else node.attributes["pads"]).ravel()
    value = node.inputs[2] if len(node.inputs) > 2 and node.inputs[2] is not None else node.attributes.get("value", 0)
    real = node.real()
    if node.attributes.get("mode", "constant") != "constant" or np.any(np.asarray(value) != 0):
        raise Unlowerable("it pads with something other than zeros", "pad with zeros")
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        full = np.zeros(2 * (len(real.shape) + 1), np.int64)
        axes = [int(a) % (len(real.shape) + 1) for a in node.inputs[3]]
        for i, axis in enumerate(axes):
            full[axis], full[axis + len(real.shape) + 1] = amounts[i], amounts[i + len(axes)]
        amounts = full
    half = len(amounts) // 2
    widths = [(int(a), int(b)) for a, b in zip(amounts[:half], amounts[half:])]
    if any(w < 0 for pair in widths for w in pair):
        raise Unlowerable("it crops with negative padding", "use a slice")
    return [_move(node, lambda a: np.pad(a, widths, constant_values=-1))]


@handles("Shape", attributes=("start", "end"))
def shape(lowering: Lowering, node: Node) -> list[Any]:
    source = node.inputs[0]
    dims = (1, *source.shape) if isinstance(source, Real) else source.codes.shape if isinstance(source, Coded) else source.shape
    return [np.array(dims[node.attributes.get("start", 0) : node.attributes.get("end")], np.int64)]


@handles("Expand")
def expand(lowering: Lowering, node: Node) -> list[Any]:
    target = tuple(int(v) for v in node.constant(1, "shape"))
    return [_move(node, lambda a: np.broadcast_to(a, np.broadcast_shapes(a.shape, target)))]
