"""Nodes that only move elements.

ONNX's own implementation moves the places of one run's elements, and every frame follows.

The places are those that the file says for the batch it was exported with, so a shape that is written in the
file needs no interpretation for another number of frames.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pyqkit.errors import UserError
from pyqkit.reference.doubledouble import concatenated
from pyqkit.reference.node import Node, Operation
from pyqkit.reference.quantised import Quantised, Shares, Turned, Value, ratio_of
from pyqkit.reference.ratio import Ratio, joined

_NONE = -1  # the place of what padding has put in


def _moved(node: Node) -> list[Value]:
    first = node.given(0)
    if isinstance(first, Turned):
        return _turned(node, first.value, first.axis)
    if node.type == "Transpose" and node.varies[0] and node.numbers("perm", (0,))[0] != 0:
        return _turned(node, node.value(0), 0)
    source = node.value(0)
    rest = [node.constant(i, "operand") if v is not None else None for i, v in enumerate(node.inputs) if i]
    if isinstance(source, np.ndarray):
        return list(node.evaluate([source, *rest]))
    every = node.evaluate([places(node), *rest])
    joined_axes = node.batch == 1 and node.varies[0] and any(moved.shape[:1] != (1,) for moved in every)
    return _of_one_frame(source, every) if joined_axes else [picked(node, moved) for moved in every]


def _turned(node: Node, source: Value, axis: int | None) -> list[Value]:
    """A move before which or behind which the batch is not the first axis: that of two frames says where."""
    assert not isinstance(source, (np.ndarray, Turned))
    rest = [node.constant(i, "operand") if v is not None else None for i, v in enumerate(node.inputs) if i]
    found = [] if axis is None else _of_two_frames(node, source, axis, rest)
    if found:
        return found
    if node.batch != 1:
        node.refuse(
            "a move within each frame was", "elements cross the batch", "keep the batch as the first axis"
        )
    frame = np.arange(int(np.prod(source.shape[1:])), dtype=np.int64).reshape(source.shape[1:])
    return _of_one_frame(
        source, node.evaluate([frame if axis is None else np.expand_dims(frame, axis), *rest])
    )


def _of_one_frame(source: Value, every: list[np.ndarray]) -> list[Value]:
    """What was moved where the file has a batch of 1 that is part of another axis."""
    found: list[Value] = []
    for moved in every:
        first = moved.shape[:1] == (1,)
        value = _mapped(source, _picking(moved[0] if first else moved))
        found.append(value if first else Turned(value, None))
    return found


def _picking(places: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda a: a.reshape(len(a), -1)[:, places]


def _of_two_frames(node: Node, source: Value, axis: int, rest: list[np.ndarray | None]) -> list[Value]:
    """As `_turned`; nothing where two frames do not say it."""
    size = int(np.prod(source.shape[1:]))
    frames = np.arange(2 * size, dtype=np.int64).reshape(2, *source.shape[1:])
    try:
        every = node.evaluate([np.moveaxis(frames, 0, axis), *rest])
    except UserError:  # of a shape that is written for another batch
        return []
    found: list[Value] = []
    for moved in every:
        ends = [place for place, count in enumerate(moved.shape) if count == 2]
        ends = [place for place in ends if (np.diff(moved, axis=place) == size).all()]
        if len(ends) != 1:
            return []
        value = _mapped(source, _picking(np.take(moved, 0, ends[0])))
        found.append(Turned(value, ends[0]) if ends[0] else value)
    return found


def places(node: Node) -> np.ndarray:
    """Places of the elements in a run of the file: those of frame k are from k * size on."""
    source = node.value(0)
    shape = (node.batch, *source.shape[1:]) if node.varies[0] else source.shape
    return np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)


def picked(node: Node, found: np.ndarray) -> Value:
    """The input's elements at places: those of the first frame, in every frame."""
    source = node.value(0)
    if node.varies[0]:
        found = _of_first_frame(node, found, int(np.prod(source.shape[1:])))

    def how(a: np.ndarray) -> np.ndarray:
        flat = a.reshape(len(a), -1)[:, found] if node.varies[0] else a.ravel()[found]
        return np.where(found == _NONE, a.dtype.type(0), flat)

    return _mapped(source, how)


def _mapped(source: Value, how: Callable[[np.ndarray], np.ndarray]) -> Quantised | Shares | Ratio:
    """A tensor whose elements move."""
    if isinstance(source, (Quantised, Shares)):
        return source.map(how)
    return ratio_of(source).over_one_divisor().map(how)


def _of_first_frame(node: Node, places: np.ndarray, size: int) -> np.ndarray:
    """Places in a frame, after checking that every frame's elements stay in it."""
    if places.ndim and places.shape[0] == node.batch:
        frames = np.arange(node.batch).reshape(-1, *(1,) * (places.ndim - 1)) * size
        inside = np.where(places == _NONE, _NONE, places - frames)
        if (inside == inside[:1]).all() and inside.max(initial=0) < size:
            return inside[0]
    node.refuse(
        "a move within each frame was", "elements cross the batch", "keep the batch as the first axis"
    )


def _pad(node: Node) -> list[Value]:
    """Zeros, another constant, or copies of the tensor's own elements around it."""
    source = node.value(0)
    if isinstance(source, np.ndarray):
        return _moved(node)
    rank, value = len(source.shape), node.attributes.get("value", 0.0)
    amounts = (
        node.numbers("pads", ())
        if node.given(1) is None
        else tuple(int(v) for v in node.constant(1, "pads").ravel())
    )
    axes = range(rank) if node.given(3) is None else [int(a) % rank for a in node.constant(3, "axes").ravel()]
    if len(amounts) != 2 * len(axes) or min(amounts, default=0) < 0:
        node.refuse(
            f"two pads of at least 0 for each of {len(axes)} axes were",
            f"{amounts} came",
            "crop with a Slice node",
        )
    if node.given(2) is not None:
        value = node.constant(2, "value to pad with").ravel()[0]
    widths = [(0, 0)] * rank
    for axis, before, after in zip(axes, amounts[: len(axes)], amounts[len(axes) :]):
        widths[axis] = (before, after)
    mode = str(node.attributes.get("mode", "constant"))
    if mode not in ("constant", "reflect", "edge", "wrap"):
        node.refuse("mode constant, reflect, edge or wrap was", f"{mode} came", "pad with zeros")
    fill = {"constant_values": _NONE} if mode == "constant" else {}
    moved = np.pad(places(node), widths, mode=mode, **fill)  # type: ignore[call-overload]
    found = picked(node, moved)
    if not value or mode != "constant":
        return [found]
    padding = np.where(moved[:1] == _NONE, np.float64(value), 0.0)
    return [ratio_of(found) + ratio_of(padding)]


def _concatenated(node: Node) -> list[Value]:
    given = [node.value(i) for i in range(len(node.inputs))]
    axis = int(node.attributes["axis"]) % len(given[0].shape)
    if axis == 0 and any(node.varies):
        node.refuse("tensors joined within a frame were", "the batch is joined", "join along channels")
    frames = next((part.shape[0] for part, varies in zip(given, node.varies) if varies), None)
    parts = [
        part if varies or frames is None else _in_every_frame(node.one_frame(part), frames)
        for part, varies in zip(given, node.varies)
    ]
    coded = [p for p in parts if isinstance(p, Quantised)]
    if len(coded) < len(parts) or len({p.format for p in coded}) > 1:
        return [joined([ratio_of(p).over_one_divisor() for p in parts], axis)]
    content = np.concatenate([p.content for p in coded], axis)
    first = coded[0].scale
    if all(p.scale.shape == () and not (p.scale - first).high for p in coded):
        return [Quantised(content, coded[0].format, first)]
    scales = [p.scale.map(lambda a, p=p: np.broadcast_to(a, p.shape)) for p in coded]  # type: ignore[misc]
    return [Quantised(content, coded[0].format, concatenated(scales, axis))]


def _in_every_frame(constant: Value, frames: int) -> Value:
    def how(a: np.ndarray) -> np.ndarray:
        return np.broadcast_to(a, (frames, *a.shape[1:]))

    return how(constant) if isinstance(constant, np.ndarray) else constant.map(how)


def _shape(node: Node) -> list[Value]:
    """The shape that the file says, whatever number of frames runs."""
    source = node.given(0)
    if isinstance(source, Turned):
        inside = source.value.shape[1:]
        shape = inside if source.axis is None else np.insert(inside, source.axis, node.batch)
    else:
        source = node.value(0)
        shape = (node.batch, *source.shape[1:]) if node.varies[0] else source.shape
    return [np.array(shape[node.attributes.get("start", 0) : node.attributes.get("end")], np.int64)]


def _moves(*attributes: str) -> Operation:
    return Operation(_moved, frozenset(attributes))


OPERATIONS = {
    "Reshape": _moves("allowzero"),
    "Flatten": _moves("axis"),
    "Transpose": _moves("perm"),
    "Squeeze": _moves("axes"),
    "Unsqueeze": _moves("axes"),
    "Slice": _moves("starts", "ends", "axes", "steps"),
    "Gather": _moves("axis"),
    "Split": _moves("axis", "split", "num_outputs"),
    "Expand": _moves(),
    "Pad": Operation(_pad, frozenset({"mode", "pads", "value"})),
    "Concat": Operation(_concatenated, frozenset({"axis"})),
    "DepthToSpace": _moves("blocksize", "mode"),
    "SpaceToDepth": _moves("blocksize"),
    "Shape": Operation(_shape, frozenset({"start", "end"})),
}
