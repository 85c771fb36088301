"""What the nodes of a QONNX model compute, for the reference: exact sums of products of codes, and double-double arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from pyqkit.errors import UserError
from pyqkit.formats import Integer, LogPosit
from pyqkit.formats.logposit import linear_bits, linear_table
from pyqkit.graph.conventions import batch_norm_factor
from pyqkit.graph.importer import Node
from pyqkit.graph.lowering.nodes.linear import window_padding
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.reference import smooth
from pyqkit.reference.doubledouble import DoubleDouble, where
from pyqkit.reference.quantised import Quantised, Value, real_of


def _layout(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def products(x: Quantised, w: Quantised, sums: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> tuple[np.ndarray, float]:
    """Exact sums of products, and the power of two that they are in units of (scales left out)."""
    a, b = x.format, w.format
    if not (isinstance(a, LogPosit) and isinstance(b, LogPosit)):
        bound = np.abs(w.integers).reshape(len(w.content), -1).sum(axis=1).max() * np.abs(x.integers).max(initial=1)
        if bound >= 2.0**53:
            raise UserError(f"sums below 2**53 were expected by the reference, but {a} times {b} reaches {bound:.3g}; use narrower formats")
        unit = (a.unit if a.is_logarithmic else Fraction(1)) * (b.unit if b.is_logarithmic else Fraction(1))
        return sums(x.integers, w.integers), float(unit)
    # log domain: one copy of a channel for each fraction of the activation's logarithm, whose weights have passed the table
    f = max(a.fraction_bits, b.fraction_bits)
    significands, size = np.array(linear_table(f), np.float64), 2**f
    (a_sign, a_log), (b_sign, b_log) = _logarithms(a, f), _logarithms(b, f)
    lowest = (a_log[a_sign != 0].min() // size) + (b_log[b_sign != 0].min() // size)
    lefts, rights = [], []
    for fraction in np.unique(a_log[a_sign != 0] % size):
        lefts.append(np.where((a_sign != 0) & (a_log % size == fraction), a_sign * 2.0 ** (a_log // size - lowest), 0.0))
        joint = b_log + fraction
        rights.append(b_sign * significands[joint % size] * 2.0 ** (joint // size))
    left, right = (_side_by_side(np.stack(t, axis=-1)[v.content]) for t, v in ((lefts, x), (rights, w)))
    total = sums(left, right)
    return total, float(Fraction(2) ** int(lowest - linear_bits(f)))


def _side_by_side(copies: np.ndarray) -> np.ndarray:
    """Copies of each channel, the last axis, as channels beside it, so that groups of channels stay together."""
    return np.moveaxis(copies, -1, 2).reshape(copies.shape[0], -1, *copies.shape[2:-1])


def _logarithms(fmt: LogPosit, fraction_bits: int) -> tuple[np.ndarray, np.ndarray]:
    found = [fmt.logarithm(code) for code in range(2**fmt.bits)]
    signs = np.array([0 if e is None else -1 if e[0] else 1 for e in found])
    return signs, np.array([0 if e is None else e[1] << (fraction_bits - fmt.fraction_bits) for e in found])


def _scaled(x: Quantised, w: Quantised, sums: np.ndarray, unit: float, axis_shape: tuple[int, ...]) -> DoubleDouble:
    weight = w.scale.map(lambda a: a.reshape(axis_shape) if a.size > 1 else a.reshape(()))
    step = x.scale.map(lambda a: a.reshape(())) * weight * DoubleDouble.of(unit)
    return DoubleDouble.of(sums) * step


def quantised_input(node: Node, index: int) -> Quantised:
    """An input of a node that sums products of codes."""
    value = node.inputs[index]
    if isinstance(value, np.ndarray):  # weights in blocks: exact multiples of their smallest step
        step = float(np.abs(value[value != 0]).min(initial=1.0))
        exponent = int(np.frexp(step)[1]) - 12
        return Quantised(np.ldexp(value, -exponent), Integer(53), DoubleDouble.of(2.0**exponent))
    if not isinstance(value, Quantised):
        raise UserError(f"a quantised input was expected by {node.name}, but real numbers came; put a quantiser before it")
    return value


def _conv(node: Node) -> Value:
    x, w = quantised_input(node, 0), quantised_input(node, 1)
    kernel = w.content.shape[2:]
    stride, dilation = (tuple(node.attributes.get(k, [1, 1])) for k in ("strides", "dilations"))
    padding = window_padding(node, (*x.content.shape[2:], 0), kernel, stride, dilation)
    groups = int(node.attributes.get("group", 1))

    def sums(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        shape = Convolution("", [], [], _layout(right), w.format, stride, padding, dilation, groups)
        windows = shape.windows(_layout(left), 0)
        n, rows, columns, *_ = windows.shape
        outputs, per_group = len(right), right.shape[1]
        result = np.empty((n, rows, columns, outputs))
        for g in range(groups):
            part = windows[..., g * per_group : (g + 1) * per_group].reshape(n * rows * columns, -1)
            mine = slice(g * outputs // groups, (g + 1) * outputs // groups)
            result[..., mine] = (part @ _layout(right)[mine].reshape(outputs // groups, -1).T).reshape(n, rows, columns, -1)
        return result.transpose(0, 3, 1, 2)

    total, unit = products(x, w, sums)
    return _plus_bias(node, _scaled(x, w, total, unit, (1, -1, 1, 1)), (1, -1, 1, 1))


def _plus_bias(node: Node, result: DoubleDouble, shape: tuple[int, ...]) -> DoubleDouble:
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return result if bias is None else result + real_of(bias).map(lambda a: a.reshape(shape))


def _linear(node: Node) -> Value:
    x, w = quantised_input(node, 0), quantised_input(node, 1)
    if node.type == "MatMul" or not node.attributes.get("transB", 0):
        w = Quantised(w.content.T, w.format, w.scale.map(lambda a: a.T))
    total, unit = products(x, w, lambda left, right: left @ right.T)
    return _plus_bias(node, _scaled(x, w, total, unit, (1, -1)), (1, -1))


def _batch_norm(node: Node) -> Value:
    x = real_of(node.inputs[0])
    gain, bias, mean, variance = (np.asarray(v) for v in node.inputs[1:5])
    factor = batch_norm_factor(gain, variance, float(node.attributes.get("epsilon", 1e-5)))
    shape = (1, -1, *(1,) * (x.high.ndim - 2))
    scale = DoubleDouble.of(factor.reshape(shape))
    offset = DoubleDouble.of(bias.reshape(shape)) + -(scale * DoubleDouble.of(mean.reshape(shape)))
    return x * scale + offset


def clipped(x: DoubleDouble, low: float | None, high: float | None) -> DoubleDouble:
    """Real numbers between two ends, each of which may be missing."""
    for end, below in ((low, True), (high, False)):
        if end is not None and np.isfinite(end):
            limit = DoubleDouble.of(np.full(x.high.shape, end))
            x = where(x.less(limit) if below else limit.less(x), limit, x)
    return x


def _clip(node: Node) -> Value:
    ends = []
    for index, key in ((1, "min"), (2, "max")):
        given = node.inputs[index] if index < len(node.inputs) else None
        value = node.attributes.get(key) if given is None else given
        ends.append(None if value is None else float(np.asarray(value).ravel()[0]))
    return clipped(real_of(node.inputs[0]), *ends)


def _leaky(node: Node) -> Value:
    x = real_of(node.inputs[0])
    slope = node.inputs[1] if node.type == "PRelu" else np.float32(node.attributes.get("alpha", 0.01))
    return where(x.high < 0, x * DoubleDouble.of(slope), x)


def _hard_sigmoid(node: Node) -> Value:
    slope, shift = (np.float32(node.attributes.get(k, d)) for k, d in (("alpha", 0.2), ("beta", 0.5)))
    return clipped(real_of(node.inputs[0]) * DoubleDouble.of(slope) + DoubleDouble.of(shift), 0.0, 1.0)


def _sum_windows(node: Node, window: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int, int, int]) -> DoubleDouble:
    top, left, bottom, right = padding

    def windows(a: np.ndarray) -> np.ndarray:
        padded = np.pad(a, ((0, 0), (0, 0), (top, bottom), (left, right)))
        return np.lib.stride_tricks.sliding_window_view(padded, window, axis=(2, 3))[:, :, :: stride[0], :: stride[1]]

    total = real_of(node.inputs[0]).map(windows).total((4, 5))
    return total.map(lambda a: a[..., 0, 0]).divided(float(window[0] * window[1]))


def _average_pool(node: Node) -> Value:
    shape = real_of(node.inputs[0]).high.shape
    window, stride = tuple(node.attributes["kernel_shape"]), tuple(node.attributes.get("strides", [1, 1]))
    return _sum_windows(node, window, stride, window_padding(node, (*shape[2:], 0), window, stride, (1, 1)))


def _global_average(node: Node) -> Value:
    total = _sum_windows(node, real_of(node.inputs[0]).high.shape[2:], (1, 1), (0, 0, 0, 0))
    return total if node.type == "GlobalAveragePool" or node.attributes.get("keepdims", 1) else total.map(lambda a: a[:, :, 0, 0])


def _max_pool(node: Node) -> Value:
    source = node.inputs[0]
    x = real_of(source)
    global_pool = node.type == "GlobalMaxPool"
    window = x.high.shape[2:] if global_pool else tuple(node.attributes["kernel_shape"])
    stride = (1, 1) if global_pool else tuple(node.attributes.get("strides", [1, 1]))
    top, left, bottom, right = (0, 0, 0, 0) if global_pool else window_padding(node, (*x.high.shape[2:], 0), window, stride, (1, 1))

    def windows(a: np.ndarray, fill: float) -> np.ndarray:
        padded = np.pad(a, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
        view = np.lib.stride_tricks.sliding_window_view(padded, window, axis=(2, 3))[:, :, :: stride[0], :: stride[1]]
        return view.reshape(*view.shape[:4], -1)

    high, low = windows(x.high, -np.inf), windows(x.low, 0.0)
    best = np.lexsort((low, high), axis=-1)[..., -1:]
    if isinstance(source, Quantised):
        content = np.take_along_axis(windows(source.content, 0), best, -1)[..., 0]
        return Quantised(content, source.format, source.scale)
    return DoubleDouble(*(np.take_along_axis(a, best, -1)[..., 0] for a in (high, low)))


def _concat(node: Node) -> Value:
    axis = int(node.attributes["axis"])
    first = node.inputs[0]
    same = [v for v in node.inputs if isinstance(v, Quantised) and isinstance(first, Quantised) and v.format == first.format]
    if len(same) == len(node.inputs) and len({(float(v.scale.high.ravel()[0]), v.scale.high.size) for v in same}) == 1:
        return Quantised(np.concatenate([v.content for v in same], axis), first.format, first.scale)
    reals = [real_of(v) for v in node.inputs]
    return DoubleDouble(np.concatenate([r.high for r in reals], axis), np.concatenate([r.low for r in reals], axis))


RULES: dict[str, Callable[[Node], Value]] = {
    "Conv": _conv,
    "Gemm": _linear,
    "MatMul": _linear,
    "BatchNormalization": _batch_norm,
    "Add": lambda n: real_of(n.inputs[0]) + real_of(n.inputs[1]),
    "Sub": lambda n: real_of(n.inputs[0]) + -real_of(n.inputs[1]),
    "Mul": lambda n: real_of(n.inputs[0]) * real_of(n.inputs[1]),
    "Div": lambda n: real_of(n.inputs[0]).divided(real_of(n.inputs[1]).high),
    "Neg": lambda n: -real_of(n.inputs[0]),
    "Relu": lambda n: clipped(real_of(n.inputs[0]), 0.0, None),
    "Clip": _clip,
    "LeakyRelu": _leaky,
    "PRelu": _leaky,
    "HardSigmoid": _hard_sigmoid,
    "Sigmoid": lambda n: smooth.sigmoid(real_of(n.inputs[0])),
    "Tanh": lambda n: smooth.tanh(real_of(n.inputs[0])),
    "Elu": lambda n: smooth.elu(real_of(n.inputs[0]), np.float32(n.attributes.get("alpha", 1.0))),
    "Softplus": lambda n: smooth.softplus(real_of(n.inputs[0])),
    "Identity": lambda n: n.inputs[0],
    "Dropout": lambda n: n.inputs[0],
    "Cast": lambda n: n.inputs[0],
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average,
    "ReduceMean": _global_average,
    "MaxPool": _max_pool,
    "GlobalMaxPool": _max_pool,
    "Concat": _concat,
}
