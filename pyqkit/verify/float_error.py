"""How far float32 execution of a layer can be from exact arithmetic: a running error analysis, node by node.

The model is the standard one (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, SIAM
2002):

* An operation returns the exact result times ``1 / (1 + d)`` with ``|d| <= u = 2**-24`` (section 2.2,
  equation 2.5), so its rounding is at most u times what it returned, plus ``2**-149`` where that is
  subnormal.
* A sum of n products, added in any order, with fused multiply-adds or without, is at most ``gamma(n) * sum
  |w| * |x|`` from the exact sum, ``gamma(k) = k u / (1 - k u)`` (section 3.1). Two more factors cover a bias
  and the start of the sum.
* The analysis is *running* (section 3.3): it starts from the magnitudes that float32 itself computed, and a
  node passes on the errors of its inputs by its derivative.

Inputs, weights and scales are the float32 numbers of the file; an exact value ``scale * integer`` enters with
its own rounding. A node that is linear passes errors on as it passes data, so its bound is what the node
itself makes of magnitudes and of errors: strides, paddings, groups and axes are read by ONNX Runtime, and by
nobody here. A maximum, and what only moves elements, do as well. ReLU and clipping round nothing. A batch
norm is bounded for every order in which ``gain * (x - mean) / sqrt(variance + epsilon) + bias`` can be
computed, factors folded or not, the written convention (its factor rounded to float32) included. Of a
function that a library approximates (sigmoid, tanh, ELU, softplus) the result is taken to be within ``SMOOTH
* u * (1 + |y|)``; the tests hold ONNX Runtime to that.

Bounds are computed in float64 and widened by ``2**-20`` of themselves, far more than float64 and the float32
sums of magnitudes can lose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyqkit.graph.model import MAKERS, attribute_values
from pyqkit.verify.execution import Execution
from pyqkit.verify.float_rows import norm_error, softmax_error
from pyqkit.verify.roundings import SMALLEST, SMOOTH, UNIT, gamma

_WIDER = 1 + 2.0**-20

# Nodes that pass errors on as they pass data.
MOVES = (
    "Reshape",
    "Flatten",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Slice",
    "Gather",
    "Split",
    "Pad",
    "Expand",
    "Resize",
    "Upsample",
    "DepthToSpace",
    "SpaceToDepth",
    "MaxPool",
    "GlobalMaxPool",
    "ReduceMax",
)
_SLOPES = {"Sigmoid": 0.25, "Tanh": 1.0, "Softplus": 1.0}


def _rounding(result: np.ndarray) -> np.ndarray:
    return UNIT * np.abs(result) + SMALLEST


class ErrorBounds:
    """Bounds on the errors of one frame's float32 tensors, found when asked for.

    Parameters
    ----------
    execution : Execution
    tensors : dict of str to numpy.ndarray
        What float32 gave for every tensor of the cut copy.
    exact : dict of str to numpy.ndarray
        Exact values, as float64, of the inputs behind which the copy is cut.
    weights : dict of str to numpy.ndarray
        Exact values, as float64, of quantised constants.
    """

    def __init__(
        self,
        execution: Execution,
        tensors: dict[str, np.ndarray],
        exact: dict[str, np.ndarray],
        weights: dict[str, np.ndarray],
    ) -> None:
        self._execution, self._tensors, self._weights = execution, tensors, weights
        self._producers = {name: node for node in execution.nodes for name in node.output}
        self._known = {
            name: np.abs(tensors[name] - values) + 2.0**-52 * np.abs(values) for name, values in exact.items()
        }

    def of(self, name: str) -> np.ndarray:
        """Largest ``|float32 - exact|`` of every element, float64; infinite where nothing bounds it."""
        if name not in self._known:
            node = self._producers.get(name)
            if node is None or not any(node.input):  # an input or constant of the file
                self._known[name] = np.zeros(np.shape(self._tensors[name]))
            else:
                for output, error in zip(node.output, self._errors(node)):
                    self._known[output] = error * _WIDER
        return self._known[name]

    def _errors(self, node: Any) -> list[np.ndarray]:
        kind = node.op_type
        if kind in MAKERS:
            return [self._weight_error(node)]
        if kind == "Concat":
            return self._ran(node, {name: self.of(name) for name in node.input})
        if kind in MOVES:
            fills = {
                name: np.zeros_like(self._tensors[name]) for name in node.input[2:3] if kind == "Pad" and name
            }
            return self._ran(node, {node.input[0]: self.of(node.input[0]), **fills})
        rule = RULES.get(kind)
        if rule is None:
            return [np.full(np.shape(self._tensors[name]), np.inf) for name in node.output]
        return [rule(self, node)]

    def _weight_error(self, node: Any) -> np.ndarray:
        """Of a constant that is rounded to integers and multiplied by their scale.

        Where the quotient by the scale is so near a boundary that float32 rounds it to the other side, the
        error is a step.
        """
        found = np.asarray(self._tensors[node.output[0]], np.float64)
        exact = self._weights.get(node.output[0], found)
        rounding = 2 * _rounding(found)
        first = self.rounded_by(node)[0]
        if node.op_type == "DequantizeLinear" and first.op_type != "QuantizeLinear":  # stored as integers
            return rounding
        low, high = self.reach(node, np.asarray(self._tensors[first.input[0]], np.float64), 0.0)
        legal = (low <= found) & (found <= high) & (low - rounding <= exact) & (exact <= high + rounding)
        return np.where(legal, np.maximum(np.abs(found - exact), rounding), rounding)

    def reach(
        self, node: Any, centre: np.ndarray, bound: np.ndarray | float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest value of a quantiser in float32 for a number within `bound` of `centre`.

        Its quotient by the scale and the sum with its zero point are rounded, except where they are exact.
        """
        scale, zero = (np.abs(np.asarray(a, np.float64)) for a in self._parameters(node))
        near = centre.astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            quotient = (near / scale.astype(np.float32)).astype(np.float64)
        exact = (near == centre) & (quotient * scale == centre) & (zero == 0) & (bound == 0)
        slack = np.where(exact, 0.0, bound * _WIDER + 4 * UNIT * (np.abs(centre) + zero * scale) + SMALLEST)
        ends = [(centre + sign * slack).astype(np.float32) for sign in (-1, 1)]
        results = [self._rounded(node, end) for end in ends]
        return np.minimum(*results), np.maximum(*results)

    def rounded_by(self, node: Any) -> list[Any]:
        """The nodes that are one quantiser, whose last one is `node`."""
        nodes = [node]
        while node.op_type in ("DequantizeLinear", "Clip", "Identity"):
            node = self._producers.get(node.input[0])
            if node is None or node.op_type not in ("QuantizeLinear", "Clip", "Identity"):
                break
            nodes.insert(0, node)
        return nodes

    def _rounded(self, node: Any, values: np.ndarray) -> np.ndarray:
        """What a quantiser makes of other values in float32."""
        for part in self.rounded_by(node):
            (values,) = self._execution.node(part, {**self._tensors, part.input[0]: values})
        return np.asarray(values, np.float64)

    def _parameters(self, node: Any) -> tuple[np.ndarray, np.ndarray]:
        has_zero = node.op_type in ("Quant", "IntQuant", "Trunc", "DequantizeLinear") and len(node.input) > 2
        found = [self._tensors[node.input[1]], self._tensors[node.input[2]] if has_zero else np.zeros(())]
        if node.op_type == "DequantizeLinear":  # one for each place along an axis
            shape = np.shape(self._tensors[node.output[0]])
            axis = attribute_values(node).get("axis", 1) % max(1, len(shape))
            along = [-1 if i == axis else 1 for i in range(len(shape))]
            found = [a.reshape(along) if a.size > 1 else a.reshape(()) for a in map(np.asarray, found)]
        return found[0], found[1]

    def tensor(self, name: str) -> np.ndarray:
        """What float32 gave for a tensor."""
        return self._tensors[name]

    def values(self, node: Any) -> list[np.ndarray]:
        """Inputs of a node as float32 gave them."""
        return [np.asarray(self._tensors[name], np.float64) for name in node.input if name]

    def errors(self, node: Any) -> list[np.ndarray]:
        """Bounds of the inputs of a node."""
        return [self.of(name) for name in node.input if name]

    def result(self, node: Any) -> np.ndarray:
        """What float32 gave for a node."""
        return np.asarray(self._tensors[node.output[0]], np.float64)

    def linear(self, node: Any, inputs: list[np.ndarray]) -> np.ndarray:
        """What a node makes of other inputs, which are not negative and rounded upwards."""
        return self._ran(node, dict(zip((name for name in node.input if name), inputs)))[0]

    def _ran(self, node: Any, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        given = {
            name: (a * (1 + 2.0**-22)).astype(np.float32) if a.dtype.kind == "f" else a
            for name, a in inputs.items()
        }
        return [np.abs(a.astype(np.float64)) for a in self._execution.node(node, {**self._tensors, **given})]


def _products(bounds: ErrorBounds, node: Any) -> np.ndarray:
    """Convolution and matrix product, with a bias or without."""
    (left, right, *bias), (e_left, e_right, *e_bias) = bounds.values(node), bounds.errors(node)
    result = bounds.result(node)
    if node.op_type == "Conv":
        count = right[0].size
    elif node.op_type == "ConvTranspose":  # as if each output met the whole kernel
        count = right.size // right.shape[1]
    elif node.op_type == "Einsum":  # a sum of ones is as large as it has terms
        count = round(bounds.linear(node, [np.ones_like(left), np.ones_like(right)]).max())
    else:
        count = left.size * result.shape[-1] // result.size
    positive, zeros = _positive(node), [np.zeros_like(b) for b in bias]
    left, right, bias = np.abs(left), np.abs(right), [np.abs(b) for b in bias]
    passed = bounds.linear(positive, [left, e_right, *e_bias]) + bounds.linear(
        positive, [e_left, right + e_right, *zeros]
    )
    largest = bounds.linear(
        positive, [left + e_left, right + e_right, *(b + e for b, e in zip(bias, e_bias))]
    )
    computed = 1 + 2 * gamma(count + 4)  # the float32 sums of magnitudes are short by no more
    return computed * (passed + gamma(count + 2) * largest) + (count + 2) * SMALLEST


def _positive(node: Any) -> Any:
    """A node whose factors (of Gemm) are not negative."""
    copy = type(node).FromString(node.SerializeToString())
    for attribute in copy.attribute:
        if attribute.name in ("alpha", "beta"):
            attribute.f = abs(attribute.f)
    return copy


def _mean(bounds: ErrorBounds, node: Any) -> np.ndarray:
    """Means and sums over windows or axes."""
    x = bounds.values(node)[0]
    window = attribute_values(node).get("kernel_shape")
    count = int(np.prod(window)) if window else x.size // bounds.result(node).size
    others = [bounds.tensor(name) for name in node.input[1:] if name]
    passed, largest = (bounds.linear(node, [a, *others]) for a in (bounds.of(node.input[0]), np.abs(x)))
    return (1 + 2 * gamma(count + 2)) * (passed + gamma(count + 1) * largest) + SMALLEST


def _batch_norm(bounds: ErrorBounds, node: Any) -> np.ndarray:
    x, gain, bias, mean, variance = bounds.values(node)[:5]
    epsilon = attribute_values(node).get("epsilon", 1e-5)
    shape = (1, -1, *(1,) * (x.ndim - 2))
    factor = np.abs(gain / np.sqrt(variance + epsilon)) + SMALLEST
    factor, offset, mean = (np.abs(a).reshape(shape) for a in (factor, bias, mean))
    # Factor: 3.5 roundings, one by convention, and one of a gain that is stored as integers. Each term then
    # passes at most three more: product, difference, sum.
    return (
        factor * bounds.of(node.input[0])
        + gamma(9) * (factor * (np.abs(x) + mean) + offset)
        + SMALLEST * (2 + np.abs(x) + mean)
    )


def _sum(bounds: ErrorBounds, node: Any) -> np.ndarray:
    (e_a, e_b) = bounds.errors(node)
    return e_a + e_b + _rounding(bounds.result(node))


def _product(bounds: ErrorBounds, node: Any) -> np.ndarray:
    (a, b), (e_a, e_b) = bounds.values(node), bounds.errors(node)
    return np.abs(a) * e_b + e_a * (np.abs(b) + e_b) + _rounding(bounds.result(node))


def _quotient(bounds: ErrorBounds, node: Any) -> np.ndarray:
    (_, b), (e_a, e_b) = bounds.values(node), bounds.errors(node)
    result = bounds.result(node)
    with np.errstate(divide="ignore", invalid="ignore"):
        passed = np.where(
            np.abs(b) > e_b, (e_a + (np.abs(result) * (1 + UNIT)) * e_b) / (np.abs(b) - e_b), np.inf
        )
    return passed + _rounding(result)


def _softmax(bounds: ErrorBounds, node: Any) -> np.ndarray:
    axis, name = attribute_values(node).get("axis", -1), node.input[0]
    return softmax_error(bounds.values(node)[0], bounds.of(name), bounds.result(node), axis)


def _norm(bounds: ErrorBounds, node: Any) -> np.ndarray:
    x, gain, *bias = bounds.values(node)
    epsilon, centred = attribute_values(node).get("epsilon", 1e-5), node.op_type == "LayerNormalization"
    return norm_error(x, bounds.of(node.input[0]), gain, bias[0] if bias else np.zeros(()), epsilon, centred)


def _passed(bounds: ErrorBounds, node: Any) -> np.ndarray:
    """What neither rounds nor stretches."""
    return np.broadcast_to(bounds.of(node.input[0]), bounds.result(node).shape)


def _leaky(bounds: ErrorBounds, node: Any) -> np.ndarray:
    slope = (
        np.abs(bounds.values(node)[1])
        if len(node.input) > 1
        else abs(attribute_values(node).get("alpha", 0.01))
    )
    return np.maximum(slope, 1.0) * bounds.of(node.input[0]) + _rounding(bounds.result(node))


def _hard_sigmoid(bounds: ErrorBounds, node: Any) -> np.ndarray:
    given = attribute_values(node)
    slope, shift = abs(given.get("alpha", 0.2)), abs(given.get("beta", 0.5))
    return (
        slope * bounds.of(node.input[0])
        + gamma(2) * (slope * np.abs(bounds.values(node)[0]) + shift)
        + SMALLEST
    )


def _smooth(bounds: ErrorBounds, node: Any) -> np.ndarray:
    height = abs(attribute_values(node).get("alpha", 1.0)) if node.op_type == "Elu" else 1.0
    slope = _SLOPES.get(node.op_type, max(1.0, height))
    return slope * bounds.of(node.input[0]) + SMOOTH * UNIT * (max(1.0, height) + np.abs(bounds.result(node)))


def _times_slope(slope: float) -> Callable[[ErrorBounds, Any], np.ndarray]:
    """Of a function with no steeper slope, that a library approximates or computes in a few steps."""

    def rule(bounds: ErrorBounds, node: Any) -> np.ndarray:
        x = np.abs(bounds.values(node)[0])
        return slope * bounds.of(node.input[0]) + 2 * SMOOTH * UNIT * (1 + x + np.abs(bounds.result(node)))

    return rule


def _jump(bounds: ErrorBounds, node: Any) -> np.ndarray:
    """Of a function that jumps: where the error reaches the jump, as far as it jumps."""
    x, error, given = bounds.values(node)[0], bounds.of(node.input[0]), attribute_values(node)
    limit = {"Sign": 0.0, "ThresholdedRelu": given.get("alpha", 1.0), "Shrink": given.get("lambd", 0.5)}
    place = limit[node.op_type]
    near = np.abs(np.abs(x) - place) <= error if node.op_type == "Shrink" else np.abs(x - place) <= error
    height = 2.0 if node.op_type == "Sign" else np.abs(x) + error + abs(given.get("bias", 0.0))
    passed = 0.0 if node.op_type == "Sign" else error + _rounding(bounds.result(node))
    return passed + np.where(near & (error > 0), height, 0.0)


def _exponential(bounds: ErrorBounds, node: Any) -> np.ndarray:
    error, result = bounds.of(node.input[0]), np.abs(bounds.result(node))
    return np.expm1(np.minimum(error, 700)) * result + 2 * SMOOTH * UNIT * result + SMALLEST


def _power(bounds: ErrorBounds, node: Any) -> np.ndarray:
    """Of powers, roots, logarithms and reciprocals: the largest slope within the error."""
    x, error, result = np.abs(bounds.values(node)[0]), bounds.of(node.input[0]), bounds.result(node)
    exponent = {"Sqrt": 0.5, "Reciprocal": -1.0, "Log": 0.0}.get(node.op_type)
    if exponent is None:
        exponent = float(bounds.values(node)[1].ravel()[0])
    factor = 1.0 if node.op_type == "Log" else abs(exponent)
    with np.errstate(divide="ignore", invalid="ignore"):
        steepest = factor * (x + error if exponent >= 1 else np.maximum(x - error, 0)) ** (exponent - 1)
        passed = np.where(error > 0, steepest * error, 0.0)
        if exponent == 0.5:
            passed = np.minimum(passed, np.sqrt(2 * error))
    return passed + 2 * SMOOTH * UNIT * (1.0 * (node.op_type == "Log") + np.abs(result)) + SMALLEST


def _largest_error(bounds: ErrorBounds, node: Any) -> np.ndarray:
    shape = bounds.result(node).shape
    return np.max([np.broadcast_to(error, shape) for error in bounds.errors(node)], axis=0)


RULES: dict[str, Callable[[ErrorBounds, Any], np.ndarray]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Einsum", "Gemm", "MatMul"), _products),
    **dict.fromkeys(("AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum"), _mean),
    "BatchNormalization": _batch_norm,
    "Softmax": _softmax,
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), _norm),
    **dict.fromkeys(("Add", "Sub"), _sum),
    "Mul": _product,
    "Div": _quotient,
    **dict.fromkeys(("Identity", "Dropout", "Cast", "Neg", "Abs", "Relu", "Clip"), _passed),
    **dict.fromkeys(("LeakyRelu", "PRelu"), _leaky),
    "HardSigmoid": _hard_sigmoid,
    **dict.fromkeys(("Sigmoid", "Tanh", "Elu", "Softplus"), _smooth),
    **dict.fromkeys(("Erf", "Gelu", "Mish", "Softsign", "Celu"), _times_slope(1.25)),
    **dict.fromkeys(("HardSwish", "Selu"), _times_slope(2.0)),
    **dict.fromkeys(("Sign", "ThresholdedRelu", "Shrink"), _jump),
    "Exp": _exponential,
    **dict.fromkeys(("Pow", "Sqrt", "Reciprocal", "Log"), _power),
    **dict.fromkeys(("Max", "Min"), _largest_error),
}
