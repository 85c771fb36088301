"""Pooling nodes: maxima commute with rounding, averages are exact sums with a factor."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.nodes.linear import window_padding
from pyqkit.graph.lowering.quantise import mirrored
from pyqkit.graph.lowering.real import Real, Term, plain_view
from pyqkit.graph.lowering.rows import on_rows
from pyqkit.graph.lowering.rules import Node, handles
from pyqkit.graph.lowering.session import Lowering, Value
from pyqkit.graph.lowering.sums import single_term
from pyqkit.graph.lowering.view import settle
from pyqkit.graph.ops.pool import MaxPool, SumPool


def _window(node: Node, real: Real) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    kernel = tuple(int(v) for v in node.attributes.get("kernel_shape", []))
    if len(kernel) != 2 or any(d != 1 for d in node.attributes.get("dilations", [1, 1])):
        raise Unlowerable(
            "its window is not one of one or two dimensions without dilation", "pool over plain windows"
        )
    stride = tuple(int(v) for v in node.attributes.get("strides", [1, 1]))
    padding = window_padding(node, real.base, kernel, stride, (1, 1))  # type: ignore[arg-type]
    if node.attributes.get("ceil_mode", 0) and any(
        (n + a + b - k) % s for n, a, b, k, s in zip(real.base, padding[:2], padding[2:], kernel, stride)
    ):
        raise Unlowerable(
            "its windows overhang the image (ceil_mode)", "pad explicitly, or use ceil_mode=False"
        )
    return kernel, stride, padding  # type: ignore[return-value]


_WINDOW = ("auto_pad", "ceil_mode", "kernel_shape", "pads", "strides")


@handles(
    Layer("MaxPool", ("torch.nn.MaxPool2d", "torch.nn.MaxPool1d")),
    attributes=(*_WINDOW, "dilations"),
    only={"storage_order": 0},
    axes=((4,), (3,)),
)
@on_rows
def max_pool(lowering: Lowering, node: Node) -> list[Value]:
    real = node.real()
    name = node.outputs[0]
    if real.raw or real.pool is not None:
        raise Unlowerable("its input is not quantised", "put a quantiser before it")
    real = settle(lowering, real, name)
    window, stride, padding = _window(node, real)
    if real.is_codes:
        (term,) = real.terms
        falling = np.array([f < 0 for f in term.factor])
        # The largest value of a falling channel has the smallest code.
        source = mirrored(lowering, term.tensor, falling, name)
        out = lowering.emit(MaxPool, name, [source], window=window, stride=stride, padding=padding)
        largest = mirrored(lowering, out.name, falling, name)
        return [Real((Term(largest, term.factor),), real.offset, out.shape, plain_view(out.shape))]
    if not all(f.increasing for f in real.functions):
        raise Unlowerable("a falling function precedes it", "put a quantiser before it")
    real = single_term(lowering, real, name)
    rows = (real.base[0] + padding[0] + padding[2] - window[0]) // stride[0] + 1
    columns = (real.base[1] + padding[1] + padding[3] - window[1]) // stride[1] + 1
    pooled = rows, columns, real.channels
    return [replace(real, pool=(window, stride, padding), pooled=pooled, view=plain_view(pooled))]


def _average(
    lowering: Lowering,
    real: Real,
    window: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    name: str,
) -> Real:
    if real.raw or not real.is_linear:
        raise Unlowerable(
            "its input has passed an activation function and is not quantised",
            "put a quantiser (QuantReLU, QuantIdentity) before it",
        )
    if any(padding) and any(real.offset):
        raise Unlowerable("an unquantised tensor is padded", "put a quantiser before it")
    real = settle(lowering, real, name)
    share = Fraction(1, window[0] * window[1])
    terms, base = [], real.base
    for term in real.terms:
        out = lowering.emit(SumPool, name, [term.tensor], window=window, stride=stride, padding=padding)
        terms.append(Term(out.name, term.factor * share))
        base = out.shape
    return Real(tuple(terms), real.offset, base, plain_view(base))


@handles(
    Layer("AveragePool", ("torch.nn.AvgPool2d", "torch.nn.AvgPool1d")),
    attributes=(*_WINDOW, "dilations", "count_include_pad"),
    axes=((4,), (3,)),
)
@on_rows
def average_pool(lowering: Lowering, node: Node) -> list[Value]:
    real = node.real()
    window, stride, padding = _window(node, real)
    if any(padding) and not node.attributes.get("count_include_pad", 0):
        raise Unlowerable(
            "it averages over fewer pixels at the border", "use count_include_pad=True, or no padding"
        )
    return [_average(lowering, real, window, stride, padding, node.outputs[0])]


@handles(
    Layer(
        "GlobalAveragePool", ("torch.nn.AdaptiveAvgPool2d", "torch.nn.AdaptiveAvgPool1d"), note="to one pixel"
    ),
    axes=((4,), (3,)),
)
@on_rows
def global_average_pool(lowering: Lowering, node: Node) -> list[Value]:
    real = settle(lowering, node.real(), node.outputs[0]) if node.real().view.ndim == 3 else node.real()
    return [_average(lowering, real, real.base[:2], (1, 1), (0, 0, 0, 0), node.outputs[0])]


@handles(
    Layer("GlobalMaxPool", ("torch.nn.AdaptiveMaxPool2d", "torch.nn.AdaptiveMaxPool1d"), note="to one pixel"),
    axes=((4,), (3,)),
)
@on_rows
def global_max_pool(lowering: Lowering, node: Node) -> list[Value]:
    node.attributes.update(kernel_shape=list(node.real().shape[1:]))
    return max_pool(lowering, node)


@handles(
    Layer("ReduceMean", ("torch.mean",), note="over height, width or length"),
    attributes=("axes", "keepdims"),
    only={"noop_with_empty_axes": 0},
)
def reduce_mean(lowering: Lowering, node: Node) -> list[Value]:
    real = node.real()
    given = node.attributes.get("axes", []) if node.given(1) is None else node.constant(1, "axes").ravel()
    rank = len(real.shape)
    axes = sorted({int(axis) % (rank + 1) - 1 for axis in given})
    if rank not in (2, 3) or not axes or axes[0] < 0 or len(axes) == rank:
        raise Unlowerable(
            "it averages over the batch, over everything, or over more axes than those of an image",
            "average over height, width or length",
        )
    out = _average_of_axes(lowering, real, axes, node.outputs[0])
    if node.attributes.get("keepdims", 1):
        return [out]
    return [replace(out, view=out.view.reshape([n for axis, n in enumerate(out.shape) if axis not in axes]))]


def _average_of_axes(lowering: Lowering, real: Real, axes: list[int], name: str) -> Real:
    """The average over some axes, which become 1: a window over the whole of each.

    Channels are the first axis if it stays, or else the last one that does.
    """
    channels = 0 if axes[0] else [axis for axis in range(real.view.ndim) if axis not in axes][-1]
    image = np.moveaxis(real.view, channels, 0)
    of_stream = image.reshape(len(image), -1) % real.channels
    if (of_stream != of_stream[:, :1]).any():
        raise Unlowerable("it averages over channels", "average over height, width or length")
    window = [n if axis in axes else 1 for axis, n in enumerate(real.shape) if axis != channels]
    if image.ndim == 2:
        image, window = image[:, None], [1, *window]
    found = _average(lowering, replace(real, view=image), tuple(window), (1, 1), (0, 0, 0, 0), name)  # type: ignore[arg-type]
    view = found.view if real.view.ndim == 3 else found.view[:, 0]
    return replace(found, view=np.moveaxis(view, 0, channels))
