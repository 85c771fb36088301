"""Conv, Gemm and MatMul, whose products `products` adds up, and batch norm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyqkit.graph.conventions import batch_norm_factor
from pyqkit.reference import windows
from pyqkit.reference.attention import product_of_tensors
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.node import Node, one
from pyqkit.reference.products import Sums, sum_of_products
from pyqkit.reference.quantised import Quantised, Value, ratio_of, real_of
from pyqkit.reference.ratio import Ratio


def convolution_sums(seen: windows.Windows, groups: int) -> Sums:
    """Sums of a convolution over images (frames, channels, rows, columns)."""

    def sums(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        view = seen.of(left)
        frames, _, rows, columns, *_ = view.shape
        outputs, channels = len(right), right.shape[1]
        result = np.empty((frames, outputs, rows, columns))
        for group in range(groups):
            inputs = view[:, group * channels : (group + 1) * channels].transpose(0, 2, 3, 1, 4, 5)
            mine = slice(group * outputs // groups, (group + 1) * outputs // groups)
            weights = right[mine].reshape(outputs // groups, -1)
            added = inputs.reshape(frames * rows * columns, -1) @ weights.T
            result[:, mine] = added.reshape(frames, rows, columns, -1).transpose(0, 3, 1, 2)
        return result

    return sums


def _convolution(node: Node) -> Value:
    x, w = node.value(0), node.value(1)
    groups = int(node.attributes.get("group", 1))
    kernel = node.numbers("kernel_shape", w.shape[2:])
    if (
        len(w.shape) != 4
        or kernel != w.shape[2:]
        or x.shape[1] != w.shape[1] * groups
        or w.shape[0] % max(groups, 1)
    ):
        node.refuse(
            f"weights for {x.shape[1]} channels in {groups} groups were",
            f"{w.shape} with kernel {kernel} came",
            "check the layer",
        )
    sums = convolution_sums(windows.windows_of(node, x.shape[2:], kernel), groups)
    total = sum_of_products(node, x, w, groups, sums, (1, -1, 1, 1))
    bias = node.given(2)
    return total if bias is None else total + Ratio(real_of(bias).map(lambda a: a.reshape(1, -1, 1, 1)))


def _transposed_convolution(node: Node) -> Value:
    """A convolution of the input with zeros between its pixels, by the kernel turned around."""
    x, w = node.value(0), node.value(1)
    groups = int(node.attributes.get("group", 1))
    if len(w.shape) != 4 or w.shape[0] != x.shape[1] or w.shape[0] % max(groups, 1):
        node.refuse(f"weights for {x.shape[1]} channels were", f"{w.shape} came", "check the layer")
    inputs, outputs, *kernel = w.shape
    strides, dilations = node.numbers("strides", (1, 1)), node.numbers("dilations", (1, 1))
    begin, end = _left_out(node, x.shape[2:], kernel, strides, dilations)
    reach = [(k - 1) * d for k, d in zip(kernel, dilations)]
    sides = [(r - a, r - b) for r, a, b in zip(reach, begin, end)]

    def stuffed(values: np.ndarray) -> np.ndarray:
        lengths = [(n - 1) * s + 1 for n, s in zip(values.shape[2:], strides)]
        wide = np.zeros((*values.shape[:2], *lengths), values.dtype)
        wide[:, :, :: strides[0], :: strides[1]] = values
        wide = np.pad(wide, [(0, 0), (0, 0), *((max(a, 0), max(b, 0)) for a, b in sides)])
        rows, columns = (slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(sides, wide.shape[2:]))
        return wide[:, :, rows, columns]

    def turned(values: np.ndarray) -> np.ndarray:
        grouped = values.reshape(groups, inputs // groups, outputs, *kernel).swapaxes(1, 2)
        return grouped[..., ::-1, ::-1].reshape(groups * outputs, inputs // groups, *kernel)

    seen = windows.Windows((kernel[0], kernel[1]), (1, 1), (dilations[0], dilations[1]), (0, 0), (0, 0))
    added = convolution_sums(seen, groups)
    coded = turned(w) if isinstance(w, np.ndarray) else w.map(turned)
    total = sum_of_products(node, x, coded, groups, lambda a, b: added(stuffed(a), b), (1, -1, 1, 1))
    bias = node.given(2)
    return total if bias is None else total + Ratio(real_of(bias).map(lambda a: a.reshape(1, -1, 1, 1)))


def _left_out(
    node: Node,
    size: tuple[int, ...],
    kernel: Sequence[int],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
) -> tuple[list[int], list[int]]:
    """How many rows and columns the result leaves out at the start and at the end.

    Negative for those that no pixel reaches.
    """
    auto, pads = str(node.attributes.get("auto_pad", "NOTSET")), node.numbers("pads", (0, 0, 0, 0))
    more, shape = node.numbers("output_padding", (0, 0)), node.numbers("output_shape", ())[-2:]
    if auto in ("SAME_UPPER", "SAME_LOWER") and not shape:
        shape = tuple(n * s for n, s in zip(size, strides))
    begin, end = ([0, 0], [0, 0]) if auto == "VALID" else (list(pads[:2]), list(pads[2:]))
    if shape:
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
        total = [s * (n - 1) + o + r - w for n, s, o, r, w in zip(size, strides, more, reach, shape)]
        begin = [t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in total]
        end = [t - b for t, b in zip(total, begin)]
    return begin, [b - o for b, o in zip(end, more)]


def linear_sums(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Sums of a linear layer with weights (outputs, inputs)."""
    return left @ right.T


def _transposed(node: Node, w: Value) -> Value:
    """A matrix (inputs, outputs) as (outputs, inputs)."""
    if len(w.shape) != 2:
        node.refuse("a matrix of weights was", f"{len(w.shape)} axes came", "multiply by a matrix")
    return w.T if isinstance(w, np.ndarray) else w.map(np.transpose)


def _product(node: Node, x: Value, w: Value) -> Ratio:
    if len(w.shape) != 2 or x.shape[-1] != w.shape[1]:
        node.refuse(f"weights for {x.shape[-1]} inputs were", f"{w.shape[::-1]} came", "check the layer")
    return sum_of_products(node, x, w, 1, linear_sums, (-1,))


def matrix_product(node: Node) -> Value:
    """Every row of the last axis times the matrix; axes between batch and that one are more rows."""
    if node.varies[1]:
        return product_of_tensors(node)
    x, w = node.value(0), _transposed(node, node.value(1))
    if len(x.shape) == 2:
        return _product(node, x, w)
    rows = ratio_of(x).over_one_divisor() if isinstance(x, np.ndarray) else x
    assert not isinstance(rows, np.ndarray)
    found = _product(node, rows.map(lambda a: a.reshape(-1, a.shape[-1])), w)
    return found.map(lambda a: a.reshape(*x.shape[:-1], -1) if a.ndim else a)


def _gemm(node: Node) -> Value:
    """``alpha * x @ w + beta * bias``; transB says that the weights are (outputs, inputs)."""
    if node.attributes.get("transA", 0):
        node.refuse("frames along the first axis were", "transA came", "export a plain linear layer")
    w = node.value(1)
    total = _product(node, node.value(0), w if node.attributes.get("transB", 0) else _transposed(node, w))
    alpha, beta = (ratio_of(np.asarray(node.attributes.get(k, 1.0), np.float32)) for k in ("alpha", "beta"))
    bias = node.given(2)
    return total * alpha if bias is None else total * alpha + ratio_of(bias) * beta


def _parameter(node: Node, index: int, what: str) -> DoubleDouble:
    """A constant, which a static quantiser may have stored as integers."""
    value = node.value(index)
    stored = isinstance(value, Quantised) and not node.varies[index]
    return real_of(value) if stored else DoubleDouble.of(node.constant(index, what))


def batch_norm(node: Node, axes: int) -> tuple[DoubleDouble, DoubleDouble]:
    """Factor and offset of a batch norm of tensors with `axes` axes, by the written convention."""
    if node.attributes.get("training_mode", 0) or node.outputs > 1:
        node.refuse(
            "a batch norm with stored statistics was", "training mode came", "call eval() before exporting"
        )
    gain, bias, mean, variance = (
        _parameter(node, i + 1, w) for i, w in enumerate(("gain", "bias", "mean", "variance"))
    )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        epsilon = float(node.attributes.get("epsilon", 1e-5))
        factor = batch_norm_factor(gain.high, variance.high, epsilon)
    for values in (factor, bias.high, mean.high):
        if not np.isfinite(values).all():
            node.refuse(
                "finite factors and offsets were",
                f"{values[~np.isfinite(values)][0]} came",
                "check the statistics",
            )
    shape = (1, -1, *(1,) * (axes - 2))
    parameters = DoubleDouble.of(factor), bias, mean
    scale, shift, centre = (values.map(lambda a: a.reshape(shape)) for values in parameters)
    return scale, shift - scale * centre


def _batch_norm(node: Node) -> Value:
    x = node.ratio(0)
    factor, offset = batch_norm(node, len(x.shape))
    return x * Ratio(factor) + Ratio(offset)


OPERATIONS = {
    "Conv": one(windows.also_of_lengths(_convolution), "group", *windows.ATTRIBUTES),
    "ConvTranspose": one(
        windows.also_of_lengths(_transposed_convolution),
        "group",
        "output_padding",
        "output_shape",
        *windows.ATTRIBUTES,
    ),
    "Gemm": one(_gemm, "alpha", "beta", "transA", "transB"),
    "MatMul": one(matrix_product),
    "BatchNormalization": one(_batch_norm, "epsilon", "momentum", "training_mode", "spatial"),
}
