"""Nodes that only move elements.

They act on the view of a `Real`, or on the codes of a quantised constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from math import prod

import numpy as np

from pyqkit.graph import limits
from pyqkit.graph.lowering.batches import ACROSS
from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.real import Real
from pyqkit.graph.lowering.rules import Node, handles
from pyqkit.graph.lowering.session import Lowering, Value, shape_of


def _move(node: Node, how: Callable[[np.ndarray], np.ndarray], axes: Iterable[int] = ()) -> Coded | Real:
    """Apply a function of a whole ONNX tensor, batch axis included.

    `axes` are those that it changes, where it names some.
    """
    source = node.needed(0)
    if isinstance(source, Coded):
        return source.moved(how)
    real = node.real()
    moved = how(real.view if real.batch_axis is None else np.expand_dims(real.view, real.batch_axis))
    place = 0 if real.batch_axis == 0 and 0 not in axes else _place(real, how)
    if place is None or moved.ndim <= place or moved.shape[place] != 1:
        place = 0 if moved.ndim and moved.shape[0] == 1 else None
    if place is None and not moved.ndim:
        raise Unlowerable(*ACROSS)
    return replace(real, view=moved if place is None else np.take(moved, 0, place), batch_axis=place)


def _place(real: Real, how: Callable[[np.ndarray], np.ndarray]) -> int | None:
    """Where the batch is behind a move, as two frames show; None if it is part of another axis."""
    if real.batch_axis is None:
        return None
    frames = np.broadcast_to(np.arange(2).reshape(2, *(1,) * real.view.ndim), (2, *real.shape))
    try:
        marks = how(np.moveaxis(frames, 0, real.batch_axis))
    except ValueError:  # of a shape that is written for one frame
        return None
    places = [axis for axis, count in enumerate(marks.shape) if count == 2]
    places = [axis for axis in places if np.array_equal(np.moveaxis(marks, axis, 0), _frames_of(marks, axis))]
    return places[0] if len(places) == 1 else None


def _frames_of(marks: np.ndarray, axis: int) -> np.ndarray:
    """What the numbers of two frames are along an axis."""
    first = np.moveaxis(marks, axis, 0)
    return np.broadcast_to(np.arange(2).reshape(2, *(1,) * (first.ndim - 1)), first.shape)


def _numbers(node: Node, index: int, key: str) -> list[int] | None:
    """Whole numbers that newer op-sets give as an input and older ones as an attribute.

    None if neither is there.
    """
    if node.given(index) is not None:
        return [int(v) for v in node.constant(index, key).ravel()]
    value = node.attributes.get(key)
    return [value] if isinstance(value, int) else value


def _axes(node: Node, given: Iterable[int], more: int = 0) -> list[int]:
    """Axes counted from the first one; `more` is by how many the result has more of them than the input."""
    return [axis % (len(shape_of(node.needed(0))) + more) for axis in given]


@handles(Layer("Reshape", ("torch.reshape", "torch.Tensor.view")), attributes=("allowzero",), moves=True)
def reshape(lowering: Lowering, node: Node) -> list[Value]:
    source = shape_of(node.needed(0))
    if node.attributes.get("allowzero", 0) and 0 in node.constant(1, "shape"):
        raise Unlowerable("its output has no elements (allowzero)", "export the model again")
    target = [source[i] if v == 0 else int(v) for i, v in enumerate(node.constant(1, "shape"))]
    if -1 not in target and prod(target) != prod(source):
        raise Unlowerable(
            f"it reshapes {source}, batch included, to {tuple(target)}",
            "export the model with a batch of 1, and with a number of heads that divides the channels",
        )
    return [_move(node, lambda a: a.reshape(target))]


@handles(Layer("Flatten", ("torch.nn.Flatten",)), attributes=("axis",), moves=True)
def flatten(lowering: Lowering, node: Node) -> list[Value]:
    if _axes(node, [node.attributes.get("axis", 1)]) != [1]:
        raise Unlowerable("it flattens the batch", "flatten from axis 1")
    return [_move(node, lambda a: a.reshape(a.shape[0], -1))]


@handles(Layer("Transpose", ("torch.permute", "torch.transpose")), attributes=("perm",), moves=True)
def transpose(lowering: Lowering, node: Node) -> list[Value]:
    order = node.attributes.get("perm", list(range(len(shape_of(node.needed(0)))))[::-1])
    if sorted(order) != list(range(len(shape_of(node.needed(0))))):
        raise Unlowerable(f"its perm {order} is no order of its axes", "export the model again")
    return [
        _move(
            node, lambda a: a.transpose(order), [axis for axis, source in enumerate(order) if axis != source]
        )
    ]


@handles(Layer("Squeeze", ("torch.squeeze",)), attributes=("axes",), moves=True)
def squeeze(lowering: Lowering, node: Node) -> list[Value]:
    given = _numbers(node, 1, "axes")
    if given is None:
        raise Unlowerable("it drops every axis of length 1", "name the axes")
    axes = _axes(node, given)
    return [_move(node, lambda a: a.squeeze(tuple(axes)), axes)]


@handles(Layer("Unsqueeze", ("torch.unsqueeze",)), attributes=("axes",), moves=True)
def unsqueeze(lowering: Lowering, node: Node) -> list[Value]:
    given = _numbers(node, 1, "axes") or []
    axes = _axes(node, given, more=len(given))
    return [_move(node, lambda a: np.expand_dims(a, tuple(axes)), axes)]


@handles(
    Layer("Slice", ("torch.narrow",), note="x[:, a:b]"), attributes=("starts", "ends", "axes"), moves=True
)
def take_slice(lowering: Lowering, node: Node) -> list[Value]:
    starts, ends = _numbers(node, 1, "starts") or [], _numbers(node, 2, "ends") or []
    given, steps = _numbers(node, 3, "axes"), _numbers(node, 4, "steps") or [1] * len(starts)
    axes = _axes(node, range(len(starts)) if given is None else given)

    def how(array: np.ndarray) -> np.ndarray:
        index = [slice(None)] * array.ndim
        for axis, start, end, step in zip(axes, starts, ends, steps):
            stop = None if step < 0 and end < -array.shape[axis] else end
            index[axis] = slice(start, stop, step)
        return array[tuple(index)]

    return [_move(node, how)]


@handles(Layer("Gather", ("torch.index_select",), note="x[:, i]"), attributes=("axis",), moves=True)
def gather(lowering: Lowering, node: Node) -> list[Value]:
    indices, axes = node.constant(1, "index"), _axes(node, [node.attributes.get("axis", 0)])
    length = shape_of(node.needed(0))[axes[0]]
    if ((indices < -length) | (indices >= length)).any():
        raise Unlowerable(f"an index lies outside the {length} elements of its axis", "check the indices")
    return [_move(node, lambda a: np.take(a, indices, axis=axes[0]), axes)]


@handles(
    Layer("Split", ("torch.split", "torch.chunk")), attributes=("axis", "split", "num_outputs"), moves=True
)
def split(lowering: Lowering, node: Node) -> list[Value]:
    (axis,) = _axes(node, [node.attributes.get("axis", 0)])
    sizes = _numbers(node, 1, "split")
    length = shape_of(node.needed(0))[axis]
    if sizes is None:
        part = -(-length // len(node.outputs))
        sizes = [min(part, length - i * part) for i in range(len(node.outputs))]
    ends = np.cumsum(sizes)
    pieces = [slice(int(end) - size, int(end)) for end, size in zip(ends, sizes)]
    return [_move(node, partial(_piece, axis=axis, piece=piece), [axis]) for piece in pieces]


def _piece(array: np.ndarray, axis: int, piece: slice) -> np.ndarray:
    return array[(slice(None),) * axis + (piece,)]


@handles(
    Layer("Pad", ("torch.nn.ZeroPad2d",), note="with zeros"), attributes=("pads", "value", "mode"), moves=True
)
def pad(lowering: Lowering, node: Node) -> list[Value]:
    amounts, count = _numbers(node, 1, "pads") or [], len(shape_of(node.needed(0)))
    value = node.attributes.get("value", 0) if node.given(2) is None else node.constant(2, "value")
    if node.attributes.get("mode", "constant") != "constant" or np.any(np.asarray(value) != 0):
        raise Unlowerable("it pads with something other than zeros", "pad with zeros")
    given = _numbers(node, 3, "axes")
    axes = _axes(node, range(count) if given is None else given)
    widths = [(0, 0)] * count
    for axis, before, after in zip(axes, amounts, amounts[len(axes) :]):
        if not (0 <= before <= limits.PADDING and 0 <= after <= limits.PADDING):
            raise Unlowerable(
                f"it pads by {before} and {after}, not by 0 to {limits.PADDING}",
                "crop with a slice, and pad by less",
            )
        widths[axis] = before, after
    return [_move(node, lambda a: np.pad(a, widths, constant_values=-1))]


@handles(Layer("Shape", ("torch.Tensor.size",)), attributes=("start", "end"))
def shape(lowering: Lowering, node: Node) -> list[Value]:
    dims = shape_of(node.needed(0))
    return [np.array(dims[node.attributes.get("start", 0) : node.attributes.get("end")], np.int64)]


@handles(Layer("Expand", ("torch.Tensor.expand",)), moves=True)
def expand(lowering: Lowering, node: Node) -> list[Value]:
    target = tuple(int(v) for v in node.constant(1, "shape"))
    return [_move(node, lambda a: np.broadcast_to(a, np.broadcast_shapes(a.shape, target)))]
