"""Resize and Upsample to the nearest pixel.

ONNX' formulas, evaluated in float32 as by ONNX Runtime: the specification leaves open how exact a place is.
"""

from __future__ import annotations

from math import floor

import numpy as np

from pyqkit.reference.moves import picked, places
from pyqkit.reference.node import Node, Operation
from pyqkit.reference.quantised import Value

_ATTRIBUTES = (
    "antialias",
    "axes",
    "coordinate_transformation_mode",
    "cubic_coeff_a",
    "exclude_outside",
    "extrapolation_value",
    "keep_aspect_ratio_policy",
    "mode",
    "nearest_mode",
    "scales",
)


def _resize(node: Node) -> list[Value]:
    """Scales or sizes, which inputs of op-set 11 give, or those of older ones, or an attribute."""
    found = places(node)
    if node.attributes.get("mode", "nearest") != "nearest":
        node.refuse("mode nearest was", f"{node.attributes['mode']} came", "resize to the nearest pixel")
    if node.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        node.refuse("policy stretch was", "another came", "state the sizes")
    old = len(node.inputs) < 3
    scales = node.attributes.get("scales") or _numbers(node, 1 if old else 2)
    sizes = [] if old else _numbers(node, 3)
    axes = [int(axis) for axis in node.attributes.get("axes", range(found.ndim))]
    for place, axis in enumerate(axes):
        before = found.shape[axis]
        after = int(sizes[place]) if sizes else floor(np.float32(scales[place]) * np.float32(before))
        scale = np.float32(after) / np.float32(before) if sizes else np.float32(scales[place])
        if scale != 1:
            at = [_nearest(node, old, np.float32(x), scale, before, after) for x in range(after)]
            found = np.take(found, [min(max(x, 0), before - 1) for x in at], axis)
    return [picked(node, found)]


def _numbers(node: Node, index: int) -> list[float]:
    return [] if node.given(index) is None else list(node.constant(index, "scales or sizes").ravel())


def _nearest(node: Node, old: bool, x: np.float32, scale: np.float32, before: int, after: int) -> int:
    """The place of the input that place x of the result shows."""
    half, one = np.float32(0.5), np.float32(1)
    mode = node.attributes.get("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    if mode == "asymmetric":
        at = x / scale
    elif mode == "tf_half_pixel_for_nn":
        at = (x + half) / scale
    elif mode == "half_pixel" or (mode == "pytorch_half_pixel" and after > 1):
        at = (x + half) / scale - half
    elif mode == "align_corners" and after > 1:
        at = x * (np.float32(before) - one) / (np.float32(after) - one)
    elif mode in ("align_corners", "pytorch_half_pixel"):
        at = np.float32(0)
    else:
        node.refuse("known coordinates were", f"{mode} came", "use asymmetric or half_pixel")
    rule = node.attributes.get("nearest_mode", "floor" if old else "round_prefer_floor")
    down, rest = floor(at), at - np.floor(at)
    if rule == "round_prefer_floor":
        return down + int(rest > half)
    if rule == "round_prefer_ceil":
        return down + int(rest >= half)
    if rule not in ("floor", "ceil"):
        node.refuse("a known rounding was", f"{rule} came", "use floor")
    return down + int(rule == "ceil" and rest > 0)


OPERATIONS = {
    "Resize": Operation(_resize, frozenset(_ATTRIBUTES)),
    "Upsample": Operation(_resize, frozenset(("mode", "scales"))),
}
