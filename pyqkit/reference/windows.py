"""Windows of convolutions and pools.

What ``auto_pad``, ``pads``, ``strides``, ``dilations`` and ``ceil_mode`` say in ONNX. Tensors with one axis
of places (batch, channels, length) get a second one of length 1 before it, for as long as the node runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pyqkit.reference.node import Node
from pyqkit.reference.quantised import Value

ATTRIBUTES = ("auto_pad", "dilations", "kernel_shape", "pads", "strides")


@dataclass(frozen=True)
class Windows:
    """Windows over the last two axes; every pair is (rows, columns).

    Attributes
    ----------
    kernel, strides, dilations : (int, int)
    before, after : (int, int)
        Rows and columns that are added.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]

    def of(self, x: np.ndarray, fill: float = 0) -> np.ndarray:
        """Windows of images, of shape (..., output rows, output columns, kernel rows, kernel columns)."""
        sides = [(0, 0)] * (x.ndim - 2) + list(zip(self.before, self.after))
        padded = np.pad(x, sides, constant_values=fill)
        reach = tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations))
        every = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(-2, -1))
        (down, right), (row, column) = self.strides, self.dilations
        return every[..., ::down, ::right, ::row, ::column]


def also_of_lengths(rule: Callable[[Node], Value]) -> Callable[[Node], Value]:
    """A rule for images that takes tensors (batch, channels, length), and weights of such layers, too."""

    def of_lengths(node: Node) -> Value:
        if len(node.value(0).shape) != 3:
            return rule(node)
        inputs = [None if value is None else _with_axis(value) for value in node.inputs]
        attributes = dict(node.attributes)
        for name in ("kernel_shape", "strides", "dilations", "output_padding", "output_shape"):
            if name in attributes:
                attributes[name] = [0 if name == "output_padding" else 1, *node.numbers(name, ())[-1:]]
        if "pads" in attributes:
            start, end = _pair(node.numbers("pads", ()))
            attributes["pads"] = [0, start, 0, end]
        found = rule(replace(node, inputs=inputs, attributes=attributes))
        assert not isinstance(found, np.ndarray)
        return found.map(lambda a: a[:, :, 0])

    return of_lengths


def _with_axis(value: Value) -> Value:
    if len(value.shape) != 3:
        return value
    return value[:, :, None] if isinstance(value, np.ndarray) else value.map(lambda a: a[:, :, None])


def windows_of(node: Node, size: tuple[int, ...], kernel: tuple[int, ...]) -> Windows:
    """What a node says of its windows on images of `size` (rows, columns)."""
    strides, dilations = node.numbers("strides", (1, 1)), node.numbers("dilations", (1, 1))
    if not len(size) == len(kernel) == len(strides) == len(dilations) == 2:
        node.refuse(
            "windows over two axes were",
            f"kernel {kernel} on {len(size)} axes came",
            "use two-dimensional layers",
        )
    if min(*kernel, *strides, *dilations) < 1:
        node.refuse(
            "positive kernel, strides and dilations were",
            f"{kernel}, {strides}, {dilations} came",
            "check the layer",
        )
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    auto = str(node.attributes.get("auto_pad", "NOTSET"))
    pads = node.numbers("pads", (0, 0, 0, 0))
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pads = _same_size(node, size, strides, reach)
    elif auto == "VALID":
        pads = (0, 0, 0, 0)
    elif auto not in ("NOTSET", ""):
        node.refuse(
            "auto_pad NOTSET, VALID, SAME_UPPER or SAME_LOWER was", f"{auto} came", "use explicit pads"
        )
    if len(pads) != 4 or min(pads) < 0:
        node.refuse("four pads of at least 0 were", f"{pads} came", "crop with a Slice node")
    if any(n + a + b < r for n, a, b, r in zip(size, pads[:2], pads[2:], reach)):
        node.refuse(
            "windows inside the padded image were",
            f"a kernel of {reach} on {size} came",
            "use a smaller kernel",
        )
    return Windows(_pair(kernel), _pair(strides), _pair(dilations), _pair(pads[:2]), _pair(pads[2:]))


def _same_size(
    node: Node, size: tuple[int, ...], strides: tuple[int, ...], reach: list[int]
) -> tuple[int, ...]:
    """Pads with which as many outputs come as strides fit in; an odd pixel goes to the end or the start."""
    totals = [(-(-n // s) - 1) * s + r - n for n, s, r in zip(size, strides, reach)]
    if min(totals) < -1:  # one pixel that is left over is left where it is
        node.refuse("windows that reach every pixel were", f"strides {strides} came", "use explicit pads")
    less = [max(t, 0) // 2 for t in totals]
    more = [max(t, 0) - part for t, part in zip(totals, less)]
    return (*less, *more) if node.attributes["auto_pad"] == "SAME_UPPER" else (*more, *less)


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    rows, columns = values
    return rows, columns
