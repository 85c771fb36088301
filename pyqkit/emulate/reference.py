"""The QONNX model itself, executed in (practically) exact arithmetic: what every engine has to reproduce.

Nothing of the lowering is used. Quantisers decide with double-double numbers, products of codes are summed as integers
in float64 (refused where 2**53 would not hold them), and nodes that only move elements run in ONNX's own reference
implementation. Three conventions make a real-valued model definite, and both sides share them: a batch norm is
``factor * x + offset`` with the factor rounded to float32; products of Logarithmic Posits pass their log-to-linear table;
a Logarithmic Posit in a sum does too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pyqkit.emulate import smooth
from pyqkit.emulate.doubledouble import DoubleDouble, where
from pyqkit.errors import UserError
from pyqkit.formats import Integer, LogPosit, Microscaled, NumberFormat, parse
from pyqkit.formats.logposit import linear_bits, linear_table
from pyqkit.graph.importer import Node, attribute_values, check_model, exact_batch_norm, load_model, read_constants
from pyqkit.graph.lowering.constants import code_blocks
from pyqkit.graph.lowering.nodes.linear import window_padding
from pyqkit.graph.lowering.nodes.quantisers import bipolar_quantiser, float_quantiser, integer_quantiser
from pyqkit.graph.lowering.quantise import Quantiser
from pyqkit.graph.ops.convolution import Convolution

_DESCRIPTIONS: dict[str, Callable[[Node], Quantiser]] = {
    "Quant": integer_quantiser,
    "IntQuant": integer_quantiser,
    "FloatQuant": float_quantiser,
    "BipolarQuant": bipolar_quantiser,
}
_MOVES = {"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Gather", "Split", "Pad", "Expand"}


@dataclass(frozen=True, eq=False)
class Quantised:
    """A tensor that a quantiser made.

    Attributes
    ----------
    content : numpy.ndarray
        Integers of a linear format, codes of a Logarithmic Posit (both: zero is 0).
    format : NumberFormat
    scale : DoubleDouble
        Real value of one integer step (linear), or of the value 1 (logarithmic); broadcasts to `content`.
    ties : int
        Elements that lay exactly on a boundary when they were rounded.
    """

    content: np.ndarray
    format: NumberFormat
    scale: DoubleDouble
    ties: int = 0

    @property
    def integers(self) -> np.ndarray:
        """Integers as float64, sent through the log-to-linear table if logarithmic."""
        return (self.format.integers[self.content] if self.format.is_logarithmic else self.content).astype(np.float64)

    @property
    def real(self) -> DoubleDouble:
        """Real values."""
        step = self.scale * DoubleDouble.of(float(self.format.unit)) if self.format.is_logarithmic else self.scale
        return DoubleDouble.of(self.integers) * step

    def codes(self) -> np.ndarray:
        """Codes of the format."""
        if self.format.is_logarithmic:
            return self.content
        if isinstance(self.format, Integer):
            return self.format.from_integers(self.content)
        place = {int(self.format.integers[c]): int(c) for c in self.format.codes}
        ordered = np.array(sorted(place))
        return np.array([place[int(i)] for i in ordered], self.format.code_dtype)[np.searchsorted(ordered, self.content)]


Value = np.ndarray | DoubleDouble | Quantised


class Reference:
    """A QONNX model ready to run on batches.

    Parameters
    ----------
    source : path or onnx.ModelProto
    """

    def __init__(self, source: str | Path | Any) -> None:
        self.model = source if hasattr(source, "graph") else load_model(Path(source))
        check_model(self.model)
        self._constants = read_constants(self.model)
        self.input_names = [v.name for v in self.model.graph.input if v.name not in self._constants]
        self.output_names = [v.name for v in self.model.graph.output]

    def run(self, x: np.ndarray, keep: bool = False) -> dict[str, Value]:
        """Execute on frames.

        Parameters
        ----------
        x : numpy.ndarray, float32, shape (frames, *input shape)
        keep : bool
            Return every tensor by its ONNX name, instead of the outputs alone.
        """
        live: dict[str, Value] = dict(self._constants)
        live[self.input_names[0]] = DoubleDouble.of(x.astype(np.float32))
        for index, proto in enumerate(self.model.graph.node):
            given = [live[name] if name else None for name in proto.input]
            node = Node(proto.name or f"node {index}", proto.op_type, given, list(proto.output), attribute_values(proto))
            live.update(zip(proto.output, _execute(proto, node, len(x))))
        return live if keep else {name: live[name] for name in self.output_names}

    def codes_of(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Codes of every quantised activation by ONNX name, in ONNX layout."""
        return {k: v.codes() for k, v in self.run(x, keep=True).items() if isinstance(v, Quantised) and len(v.content) == len(x)}


def real_of(value: Value) -> DoubleDouble:
    """Any value as real numbers."""
    if isinstance(value, Quantised):
        return value.real
    return value if isinstance(value, DoubleDouble) else DoubleDouble.of(value)


def _execute(proto: Any, node: Node, frames: int) -> list[Value]:
    from onnx import numpy_helper

    if node.type == "Constant":
        return [numpy_helper.to_array(node.attributes["value"])]
    if node.type in _DESCRIPTIONS:
        return [_quantise(node.inputs[0], _DESCRIPTIONS[node.type](node))]
    if node.type == "FormatQuant":
        fmt, scale = parse(str(node.attributes["format"])), node.constant(1, "scale")
        if isinstance(fmt, Microscaled):
            return [code_blocks(node.inputs[0], fmt, scale, int(node.attributes.get("axis", -1))).values()]
        return [_quantise(node.inputs[0], Quantiser.of(fmt, scale))]
    if node.type in _MOVES:
        return _move(proto, node, frames)
    rule = _RULES.get(node.type)
    if rule is not None and any(isinstance(v, (DoubleDouble, Quantised)) for v in node.inputs):
        return [rule(node)]
    return _onnx(proto, [v for v in node.inputs if v is not None])


def _onnx(proto: Any, inputs: list[Any]) -> list[Value]:
    from onnx.reference import ReferenceEvaluator

    if any(isinstance(v, (DoubleDouble, Quantised)) for v in inputs):
        if proto.op_type == "Shape":
            inputs = [inputs[0].high if isinstance(inputs[0], DoubleDouble) else inputs[0].content]
        else:
            raise UserError(
                f"a node that the reference executes was expected, but {proto.name} ({proto.op_type}) came; see the conversion report"
            )
    results: list[Any] = list(ReferenceEvaluator(proto).run(None, dict(zip([n for n in proto.input if n], inputs))))
    if proto.op_type == "Shape":
        results = [np.concatenate([[1], results[0][1:]])]  # the model was exported for one frame
    return [np.asarray(r) for r in results]


def _quantise(source: Value, quantiser: Quantiser) -> Quantised:
    fmt, ties = quantiser.format, 0
    if isinstance(source, np.ndarray):
        scale = np.asarray(quantiser.scale)
        codes = Quantiser(fmt, scale.reshape(()) if scale.size == 1 else scale, quantiser.boundaries, quantiser.prescale).encode(source)
    else:
        codes, ties = _encode(real_of(source), quantiser)
    step = DoubleDouble.of(quantiser.scale) * DoubleDouble.of_fraction(quantiser.prescale)
    if fmt.is_logarithmic:
        return Quantised(codes, fmt, step, ties)
    integers = fmt.to_integers(codes) if isinstance(fmt, Integer) else fmt.integers[codes]
    return Quantised(integers, fmt, step * DoubleDouble.of(float(fmt.unit)), ties)


def _encode(x: DoubleDouble, quantiser: Quantiser) -> tuple[np.ndarray, int]:
    """Codes, ``x >= boundary * scale`` decided in double-double, and how many elements lay on a boundary."""
    scales = np.asarray(quantiser.scale, np.float64)
    if scales.size > 1:
        pieces = np.empty(x.high.shape, quantiser.format.code_dtype)
        spread, ties = np.broadcast_to(scales, x.high.shape), 0
        for scale in np.unique(scales):
            at = spread == scale
            single = Quantiser(quantiser.format, np.asarray(scale), quantiser.boundaries, quantiser.prescale)
            pieces[at], found = _encode(x.map(lambda a, at=at: a[at]), single)  # type: ignore[misc]
            ties += found
        return pieces, ties
    scale = Fraction(float(scales.ravel()[0])) * quantiser.prescale
    if not quantiser.boundaries:
        return _encode_wide(x, quantiser.format, float(scale)), 0
    ends = [DoubleDouble.of_fraction(b.position * scale) for b in quantiser.boundaries]
    highs, lows = np.array([e.high for e in ends]), np.array([e.low for e in ends])
    inclusive = np.array([b.inclusive for b in quantiser.boundaries])
    index = np.searchsorted(highs, x.high, side="left")
    nearest = np.minimum(index, len(highs) - 1)
    same_high, same_low = highs[nearest] == x.high, x.low == lows[nearest]
    passed = (x.low > lows[nearest]) | (same_low & inclusive[nearest])
    return quantiser.format.codes[index + (same_high & passed)], int((same_high & same_low).sum())


def _encode_wide(x: DoubleDouble, fmt: NumberFormat, scale: float) -> np.ndarray:
    assert isinstance(fmt, Integer)  # only integers are wider than their boundaries are listed
    quotient = x.divided(scale)
    floor = np.floor(quotient.high)
    floor = floor - ((floor == quotient.high) & (quotient.low < 0))
    rest = quotient + DoubleDouble.of(-floor)
    half = DoubleDouble.of(np.full(floor.shape, 0.5))
    up = half.less(rest) | ((rest.high == 0.5) & (rest.low == 0) & (floor % 2 == 1))
    return fmt.from_integers(np.clip(floor + up, fmt.low, fmt.high))


def _move(proto: Any, node: Node, frames: int) -> list[Value]:
    source, rest = node.inputs[0], [v for v in node.inputs[1:] if v is not None]
    if isinstance(source, np.ndarray):
        return _onnx(proto, [source, *rest])
    if node.type in ("Reshape", "Expand") and int(rest[0][0]) == 1 and len(real_of(source).high) == frames:
        rest = [np.concatenate([[frames], rest[0][1:]])]
    parts = [source.content] if isinstance(source, Quantised) else [source.high, source.low]
    if node.type == "Pad":  # the padded value has the type of the data
        rest = [r if r.dtype.kind == "i" and i != 1 else r.astype(parts[0].dtype) for i, r in enumerate(rest)]
    moved = [_onnx(proto, [part, *rest]) for part in parts]
    if isinstance(source, Quantised):
        if source.scale.high.size > 1 and source.scale.high.ndim:
            full = source.scale.map(lambda a: np.broadcast_to(a, source.content.shape))
            scales = [_onnx(proto, [np.ascontiguousarray(part), *rest]) for part in (full.high, full.low)]
            return [Quantised(m, source.format, DoubleDouble(h, low)) for m, h, low in zip(moved[0], *scales)]  # type: ignore[arg-type]
        return [Quantised(m, source.format, source.scale) for m in moved[0]]  # type: ignore[arg-type]
    return [DoubleDouble(h, low) for h, low in zip(*moved)]  # type: ignore[arg-type]


# ---- nodes that compute -------------------------------------------------------------------------------------------


def _layout(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def _products(x: Quantised, w: Quantised, sums: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> tuple[np.ndarray, float]:
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


def _quantised(node: Node, index: int) -> Quantised:
    value = node.inputs[index]
    if isinstance(value, np.ndarray):  # weights in blocks: exact multiples of their smallest step
        step = float(np.abs(value[value != 0]).min(initial=1.0))
        exponent = int(np.frexp(step)[1]) - 12
        return Quantised(np.ldexp(value, -exponent), Integer(53), DoubleDouble.of(2.0**exponent))
    if not isinstance(value, Quantised):
        raise UserError(f"a quantised input was expected by {node.name}, but real numbers came; put a quantiser before it")
    return value


def _conv(node: Node) -> Value:
    x, w = _quantised(node, 0), _quantised(node, 1)
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

    total, unit = _products(x, w, sums)
    return _plus_bias(node, _scaled(x, w, total, unit, (1, -1, 1, 1)), (1, -1, 1, 1))


def _plus_bias(node: Node, result: DoubleDouble, shape: tuple[int, ...]) -> DoubleDouble:
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return result if bias is None else result + real_of(bias).map(lambda a: a.reshape(shape))


def _linear(node: Node) -> Value:
    x, w = _quantised(node, 0), _quantised(node, 1)
    if node.type == "MatMul" or not node.attributes.get("transB", 0):
        w = Quantised(w.content.T, w.format, w.scale.map(lambda a: a.T))
    total, unit = _products(x, w, lambda left, right: left @ right.T)
    return _plus_bias(node, _scaled(x, w, total, unit, (1, -1)), (1, -1))


def _batch_norm(node: Node) -> Value:
    x = real_of(node.inputs[0])
    gain, bias, mean, variance = (np.asarray(v) for v in node.inputs[1:5])
    factor, _ = exact_batch_norm(gain, bias, mean, variance, float(node.attributes.get("epsilon", 1e-5)))
    shape = (1, -1, *(1,) * (x.high.ndim - 2))
    scale = DoubleDouble.of(np.array([float(f) for f in factor]).reshape(shape))
    offset = DoubleDouble.of(bias.reshape(shape)) + -(scale * DoubleDouble.of(mean.reshape(shape)))
    return x * scale + offset


def _clipped(x: DoubleDouble, low: float | None, high: float | None) -> DoubleDouble:
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
    return _clipped(real_of(node.inputs[0]), *ends)


def _leaky(node: Node) -> Value:
    x = real_of(node.inputs[0])
    slope = node.inputs[1] if node.type == "PRelu" else np.float32(node.attributes.get("alpha", 0.01))
    return where(x.high < 0, x * DoubleDouble.of(slope), x)


def _hard_sigmoid(node: Node) -> Value:
    slope, shift = (np.float32(node.attributes.get(k, d)) for k, d in (("alpha", 0.2), ("beta", 0.5)))
    return _clipped(real_of(node.inputs[0]) * DoubleDouble.of(slope) + DoubleDouble.of(shift), 0.0, 1.0)


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


_RULES: dict[str, Callable[[Node], Value]] = {
    "Conv": _conv,
    "Gemm": _linear,
    "MatMul": _linear,
    "BatchNormalization": _batch_norm,
    "Add": lambda n: real_of(n.inputs[0]) + real_of(n.inputs[1]),
    "Sub": lambda n: real_of(n.inputs[0]) + -real_of(n.inputs[1]),
    "Mul": lambda n: real_of(n.inputs[0]) * real_of(n.inputs[1]),
    "Div": lambda n: real_of(n.inputs[0]).divided(real_of(n.inputs[1]).high),
    "Neg": lambda n: -real_of(n.inputs[0]),
    "Relu": lambda n: _clipped(real_of(n.inputs[0]), 0.0, None),
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
