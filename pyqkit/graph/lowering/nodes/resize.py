"""Nearest-neighbour resizing, and moves between depth and space: they act on the view of a `Real`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.real import Real
from pyqkit.graph.lowering.rules import Node, handles
from pyqkit.graph.lowering.session import Lowering, Value, shape_of
from pyqkit.graph.lowering.view import rearranged

_RESIZE = (
    "antialias",
    "axes",
    "coordinate_transformation_mode",
    "cubic_coeff_a",
    "exclude_outside",
    "extrapolation_value",
    "mode",
    "nearest_mode",
)
Axis = Callable[[np.ndarray, np.float32, int, int], np.ndarray]
_HALF = np.float32(0.5)
# Places of an axis of the input, by places of the result, scale, length of the result and of the input, as
# ONNX Runtime computes them: in float32, which decides where a place lies near the middle of two.
_COORDINATES: dict[str, Axis] = {
    "asymmetric": lambda x, scale, after, before: x / scale,
    "half_pixel": lambda x, scale, after, before: (x + _HALF) / scale - _HALF,
    "pytorch_half_pixel": lambda x, scale, after, before: (x + _HALF) / scale - _HALF if after > 1 else x * 0,
    "tf_half_pixel_for_nn": lambda x, scale, after, before: (x + _HALF) / scale,
    "align_corners": lambda x, scale, after, before: (
        x * np.float32(before - 1) / np.float32(after - 1) if after > 1 else x * 0
    ),
}
_ROUNDINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "round_prefer_floor": lambda x: np.ceil(x - _HALF),
    "round_prefer_ceil": lambda x: np.floor(x + _HALF),
    "floor": np.floor,
    "ceil": np.ceil,
}


@handles(
    Layer(
        "Resize",
        ("torch.nn.Upsample", "torch.nn.functional.interpolate", "torch.nn.UpsamplingNearest2d"),
        ("QuantUpsample", "QuantUpsamplingNearest2d"),
        "mode nearest, whole and other factors",
    ),
    attributes=_RESIZE,
    only={"keep_aspect_ratio_policy": "stretch"},
    moves=True,
)
def resize(lowering: Lowering, node: Node) -> list[Value]:
    source = shape_of(node.needed(0))
    scales, sizes = (1, None) if lowering.opset < 11 else (2, 3)
    axes = [int(a) % len(source) for a in node.attributes.get("axes", range(len(source)))]
    lengths = _given(node, sizes, "sizes") if sizes is not None else None
    if lengths is None:
        return [_resized(lowering, node, axes, _given(node, scales, "scales") or [])]
    factors = [float(np.float32(n) / np.float32(source[axis])) for n, axis in zip(lengths, axes)]
    return [_resized(lowering, node, axes, factors, lengths)]


@handles(
    Layer(
        "Upsample",
        ("torch.nn.Upsample", "torch.nn.functional.interpolate"),
        ("QuantUpsample",),
        "mode nearest; op-sets 7 to 9",
    ),
    attributes=("mode", "scales"),
    moves=True,
)
def upsample(lowering: Lowering, node: Node) -> list[Value]:
    given = node.attributes.get("scales") or _given(node, 1, "scales") or []
    return [_resized(lowering, node, list(range(len(given))), given)]


def _given(node: Node, index: int, what: str) -> list[float] | None:
    """Numbers of an input; None if it is left out or empty."""
    value = node.given(index)
    if value is None:
        return None
    return node.constant(index, what).ravel().tolist() or None


def _resized(
    lowering: Lowering,
    node: Node,
    axes: list[int],
    factors: Sequence[float],
    lengths: Sequence[float] | None = None,
) -> Real:
    """Axes resized by factors, to lengths that the node states or that follow from them."""
    mode = node.attributes.get("mode", "nearest")
    if mode != "nearest":
        raise Unlowerable(
            f"its mode {mode!r} interpolates between pixels",
            'use mode="nearest", or a ConvTranspose2d whose weights interpolate',
        )
    real = node.real()
    places = {}
    for index, (axis, factor) in enumerate(zip(axes, factors)):
        length = shape_of(real)[axis]
        size = int(lengths[index] if lengths else np.floor(np.float32(length) * np.float32(factor)))
        if factor != 1:
            places[axis] = _places(lowering, node, length, np.float32(factor), size)
    if 0 in places:
        raise Unlowerable("it resizes the batch", "keep the batch as the first axis")

    def how(view: np.ndarray) -> np.ndarray:
        for axis, found in places.items():
            view = view.take(found, axis=axis)
        return view

    return rearranged(lowering, real, how, node.outputs[0])


def _places(lowering: Lowering, node: Node, length: int, factor: np.float32, size: int) -> np.ndarray:
    """The place of the input from which each place of the result comes."""
    if not factor > 0:
        raise Unlowerable(f"it resizes an axis by {factor:g}", "use factors above zero")
    old = lowering.opset < 11
    asked = node.attributes.get("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    rounding = node.attributes.get("nearest_mode", "floor" if old else "round_prefer_floor")
    if asked not in _COORDINATES or rounding not in _ROUNDINGS:
        raise Unlowerable(
            f"its coordinates are {asked} and its rounding is {rounding}",
            f"use one of {', '.join(_COORDINATES)}, and {', '.join(_ROUNDINGS)}",
        )
    at = _COORDINATES[asked](np.arange(size, dtype=np.float32), factor, size, length)
    found = _ROUNDINGS[rounding](at)
    if old and factor < 1 and (found != at).any():
        raise Unlowerable(
            f"op-set {lowering.opset} does not say which pixels are kept when it shrinks by {factor:g}",
            "export with op-set 11 or newer",
        )
    return np.clip(found, 0, length - 1).astype(np.int64)


@handles(
    Layer("DepthToSpace", ("torch.nn.PixelShuffle",), note="mode DCR and CRD"),
    attributes=("blocksize", "mode"),
    axes=((4,),),
    moves=True,
)
def depth_to_space(lowering: Lowering, node: Node) -> list[Value]:
    mode = node.attributes.get("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise Unlowerable(f"its mode is {mode!r}", "use DCR or CRD")
    size = int(node.attributes["blocksize"])

    def how(view: np.ndarray) -> np.ndarray:
        batch, channels, height, width = view.shape
        inner = channels // size**2
        if mode == "DCR":
            parts = view.reshape(batch, size, size, inner, height, width).transpose(0, 3, 4, 1, 5, 2)
        else:
            parts = view.reshape(batch, inner, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
        return parts.reshape(batch, inner, height * size, width * size)

    return [rearranged(lowering, node.real(), how, node.outputs[0])]


@handles(
    Layer("SpaceToDepth", ("torch.nn.PixelUnshuffle",)),
    attributes=("blocksize",),
    axes=((4,),),
    moves=True,
)
def space_to_depth(lowering: Lowering, node: Node) -> list[Value]:
    size = int(node.attributes["blocksize"])

    def how(view: np.ndarray) -> np.ndarray:
        batch, channels, height, width = view.shape
        parts = view.reshape(batch, channels, height // size, size, width // size, size)
        return parts.transpose(0, 3, 5, 1, 2, 4).reshape(batch, -1, height // size, width // size)

    return [rearranged(lowering, node.real(), how, node.outputs[0])]
