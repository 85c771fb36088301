"""Layers of one dimension are those of two on images of one row.

A tensor of three axes, (batch, channels, length), is a tensor (batch, channels, 1, length) without its row,
so that a rule for windows of two dimensions is one for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np

from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.real import Real
from pyqkit.graph.lowering.rules import Node
from pyqkit.graph.lowering.session import Lowering, Value

Lower = Callable[[Lowering, Node], list[Value]]
_WINDOW = ("dilations", "kernel_shape", "output_padding", "output_shape", "strides")


def on_rows(lower: Lower) -> Lower:
    """A rule for images, of which tensors of three axes are those of one row."""

    @wraps(lower)
    def lowered(lowering: Lowering, node: Node) -> list[Value]:
        source = node.given(0)
        if not isinstance(source, Real) or source.view.ndim != 2:
            return lower(lowering, node)
        images: list[Value | None] = [with_row(source), *map(_kernel, node.inputs[1:])]
        found = lower(lowering, replace(node, inputs=images, attributes=_attributes(node.attributes)))
        return [without_row(value) if isinstance(value, Real) else value for value in found]

    return lowered


def with_row(real: Real) -> Real:
    """(channels, length) as (channels, 1, length)."""
    return replace(real, view=real.view[:, None])


def without_row(real: Real) -> Real:
    """(channels, 1, length) as (channels, length)."""
    return replace(real, view=real.view[:, 0])


def _kernel(value: Value | None) -> Value | None:
    """Weights (outputs, inputs, length) with their row; a bias has one axis and stays."""
    if isinstance(value, Coded) and value.codes.ndim == 3:
        return value.moved(lambda a: a[:, :, None])
    return value[:, :, None] if isinstance(value, np.ndarray) and value.ndim == 3 else value


def _attributes(given: dict[str, Any]) -> dict[str, Any]:
    """What a node says of its window along the length, and along the row beside it."""
    found = dict(given)
    for name in _WINDOW:
        if name in given and len(given[name]) == 1:
            found[name] = [1 - (name == "output_padding"), *given[name]]
    if len(given.get("pads", ())) == 2:
        before, after = given["pads"]
        found["pads"] = [0, before, 0, after]
    return found
