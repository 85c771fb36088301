"""Pooling nodes: maxima commute with rounding, averages are exact sums with a factor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import lcm

import numpy as np

from pyqkit.graph.lowering.before_layers import check_quantised
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.nodes.linear import window_padding
from pyqkit.graph.lowering.norms import mean_of_channels, runs_over_channels
from pyqkit.graph.lowering.quantise import mirrored
from pyqkit.graph.lowering.real import Real, Term, fractions, plain_view
from pyqkit.graph.lowering.rows import on_rows
from pyqkit.graph.lowering.rules import Node, handles
from pyqkit.graph.lowering.session import Lowering, Value
from pyqkit.graph.lowering.sums import single_term
from pyqkit.graph.lowering.view import settle
from pyqkit.graph.ops.pixel_scale import PixelScale
from pyqkit.graph.ops.pool import MaxPool, SumPool, pool_fields
from pyqkit.graph.ops.window import Pair, Sides, SlidingWindow


@dataclass(frozen=True)
class _Window:
    """Windows of a node.

    Attributes
    ----------
    sliding : SlidingWindow
        With what ceil_mode lets the last windows reach beyond the padding.
    padding : (int, int, int, int)
        That the node states.
    """

    sliding: SlidingWindow
    padding: Sides


def _window(node: Node, size: Pair) -> _Window:
    """What a pooling node says of windows on an image of `size`."""
    kernel = tuple(int(v) for v in node.attributes.get("kernel_shape", []))
    if len(kernel) != 2:
        raise Unlowerable("its window is not one of one or two dimensions", "pool over such windows")
    stride, dilation = (
        tuple(int(v) for v in node.attributes.get(key, [1, 1])) for key in ("strides", "dilations")
    )
    padding = window_padding(node, size, kernel, stride, dilation)  # type: ignore[arg-type]
    sliding = SlidingWindow(kernel, stride, padding, dilation)  # type: ignore[arg-type]
    if node.attributes.get("ceil_mode", 0):
        sliding = _overhanging(sliding, size)
    return _Window(sliding, padding)


def _overhanging(window: SlidingWindow, size: Pair) -> SlidingWindow:
    """Windows of ceil_mode: one more where pixels are left over, if it starts in the image."""
    top, left, bottom, right = window.padding
    ends = []
    for n, span, step, before, after in zip(size, window.spans, window.stride, (top, left), (bottom, right)):
        rest = n + before + after - span
        steps = -(-rest // step)
        if steps * step >= n + before:
            raise Unlowerable(
                "its last window would start behind the image (ceil_mode), and ONNX gives it two meanings",
                "use ceil_mode=False",
            )
        ends.append(after + steps * step - rest)
    return replace(window, padding=(top, left, ends[0], ends[1]))


_NO_PADDING = (0, 0, 0, 0)
_REDUCED = "over height, width or length"
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
    real = settle(lowering, real, name)
    return [_largest(lowering, real, _window(node, real.base[:2]).sliding, name)]


def _largest(lowering: Lowering, real: Real, window: SlidingWindow, name: str) -> Real:
    check_quantised(real)
    if real.pool is not None or real.rows is not None:
        raise Unlowerable("its input is not quantised", "put a quantiser before it")
    if real.is_codes:
        (term,) = real.terms
        falling = np.array([f < 0 for f in term.factor])
        # The largest value of a falling channel has the smallest code.
        source = mirrored(lowering, term.tensor, falling, name)
        out = lowering.emit(MaxPool, name, [source], **pool_fields(window))
        largest = mirrored(lowering, out.name, falling, name)
        return Real((Term(largest, term.factor),), real.offset, out.shape, plain_view(out.shape))
    if not all(f.increasing for f in real.functions):
        raise Unlowerable("a falling function precedes it", "put a quantiser before it")
    real = single_term(lowering, real, name)
    pooled = *window.out_size(real.base[:2]), real.channels
    return replace(real, pool=window, pooled=pooled, view=plain_view(pooled))


def _average(lowering: Lowering, real: Real, window: SlidingWindow, counted: Sides, name: str) -> Real:
    """Averages of windows in which padding counts up to `counted` from the image."""
    check_quantised(real)
    if not real.is_linear:
        raise Unlowerable(
            "its input has passed an activation function and is not quantised",
            "put a quantiser (QuantReLU, QuantIdentity) before it; onnxruntime's quantize_static does so "
            "before torch.nn.AdaptiveAvgPool2d (torch.onnx.export with dynamo=False), not before torch.mean",
        )
    tensors = [lowering.emit(SumPool, name, [term.tensor], **pool_fields(window)) for term in real.terms]
    size, shape = real.base[:2], tensors[0].shape
    inside, counts = (_pixels(window, size, reach) for reach in (_NO_PADDING, counted))
    if any(real.offset) and (inside != counts).any():
        raise Unlowerable("an unquantised tensor is padded", "put a quantiser before it")
    shared = lcm(*np.unique(counts).tolist())
    if (counts != counts[0, 0]).any():
        factors = shared // counts
        tensors = [lowering.emit(PixelScale, name, [tensor.name], factors=factors) for tensor in tensors]
    terms = [Term(tensor.name, term.factor / shared) for tensor, term in zip(tensors, real.terms)]
    return Real(tuple(terms), real.offset, shape, plain_view(shape))


def _pixels(window: SlidingWindow, size: Pair, reach: Sides) -> np.ndarray:
    """Pixels in the window of each pixel of the result, int64, (rows, columns)."""
    rows, columns = window.pixels_inside(size, reach)
    return np.multiply.outer(rows, columns).astype(np.int64)


@handles(
    Layer("AveragePool", ("torch.nn.AvgPool2d", "torch.nn.AvgPool1d")),
    attributes=(*_WINDOW, "dilations", "count_include_pad"),
    axes=((4,), (3,)),
)
@on_rows
def average_pool(lowering: Lowering, node: Node) -> list[Value]:
    real = settle(lowering, node.real(), node.outputs[0])
    window = _window(node, real.base[:2])
    counted = window.padding if node.attributes.get("count_include_pad", 0) else _NO_PADDING
    return [_average(lowering, real, window.sliding, counted, node.outputs[0])]


@handles(
    Layer(
        "GlobalAveragePool", ("torch.nn.AdaptiveAvgPool2d", "torch.nn.AdaptiveAvgPool1d"), note="to one pixel"
    ),
    axes=((4,), (3,)),
)
@on_rows
def global_average_pool(lowering: Lowering, node: Node) -> list[Value]:
    real = settle(lowering, node.real(), node.outputs[0])
    window = SlidingWindow(real.base[:2], (1, 1), _NO_PADDING)
    return [_average(lowering, real, window, _NO_PADDING, node.outputs[0])]


@handles(
    Layer("GlobalMaxPool", ("torch.nn.AdaptiveMaxPool2d", "torch.nn.AdaptiveMaxPool1d"), note="to one pixel"),
    axes=((4,), (3,)),
)
@on_rows
def global_max_pool(lowering: Lowering, node: Node) -> list[Value]:
    attributes = {"kernel_shape": list(node.real().shape[1:])}
    return max_pool(lowering, replace(node, attributes=attributes))


@handles(
    Layer("ReduceMean", ("torch.mean",), note=f"{_REDUCED}, or of channels inside a norm"),
    Layer("ReduceSum", ("torch.sum",), note=_REDUCED),
    Layer("ReduceMax", ("torch.amax",), note=_REDUCED),
    attributes=("axes", "keepdims"),
    only={"noop_with_empty_axes": 0},
)
def reduce_axes(lowering: Lowering, node: Node) -> list[Value]:
    real = node.real()
    given = node.attributes.get("axes", []) if node.given(1) is None else node.constant(1, "axes").ravel()
    rank = len(real.shape)
    axes = sorted({int(axis) % (rank + 1) - 1 for axis in given})
    if node.type == "ReduceMean" and rank and axes == [rank - 1] and runs_over_channels(real):
        return [mean_of_channels(real, bool(node.attributes.get("keepdims", 1)))]
    if rank not in (2, 3) or not axes or axes[0] < 0 or len(axes) == rank:
        raise Unlowerable(
            "it reduces the batch, everything, or more axes than those of an image",
            "reduce height, width or length; where torch.nn.LayerNorm or RMSNorm is exported so, normalise "
            "the last axis alone, or use a batch norm (torch.nn.BatchNorm2d), whose statistics are constants",
        )
    out = _reduced(lowering, node, real, axes)
    if node.attributes.get("keepdims", 1):
        return [out]
    return [replace(out, view=out.view.reshape([n for axis, n in enumerate(out.shape) if axis not in axes]))]


def _reduced(lowering: Lowering, node: Node, real: Real, axes: list[int]) -> Real:
    """What a node makes of some axes, which become 1: a window over the whole of each.

    Channels are the first axis if it stays, or else the last one that does.
    """
    channels = 0 if axes[0] else [axis for axis in range(real.view.ndim) if axis not in axes][-1]
    image = np.moveaxis(real.view, channels, 0)
    of_stream = image.reshape(len(image), -1) % real.channels
    if (of_stream != of_stream[:, :1]).any():
        raise Unlowerable("it reduces channels", "reduce height, width or length")
    window = [n if axis in axes else 1 for axis, n in enumerate(real.shape) if axis != channels]
    if image.ndim == 2:
        image, window = image[:, None], [1, *window]
    found = _of_window(lowering, node, replace(real, view=image), (window[0], window[1]))
    view = found.view if real.view.ndim == 3 else found.view[:, 0]
    return replace(found, view=np.moveaxis(view, 0, channels))


def _of_window(lowering: Lowering, node: Node, real: Real, size: Pair) -> Real:
    """The mean, sum or largest number of each window."""
    name, window = node.outputs[0], SlidingWindow(size, (1, 1), _NO_PADDING)
    real = settle(lowering, real, name)
    if node.type == "ReduceMax":
        return _largest(lowering, real, window, name)
    mean = _average(lowering, real, window, _NO_PADDING, name)
    pixels = window.positions if node.type == "ReduceSum" else 1
    return mean.affine(fractions(pixels, mean.channels), fractions(0, mean.channels))
