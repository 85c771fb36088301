"""Element by element.

Constants, batch norm and activation functions fold into the next quantiser; sums of tensors.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyqkit.graph.conventions import batch_norm_factor
from pyqkit.graph.lowering import masks, norms
from pyqkit.graph.lowering.before_layers import check_quantised
from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.functions import Clip, Curve, Fractions, Function
from pyqkit.graph.lowering.jets import Jet
from pyqkit.graph.lowering.joint import joined
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.nodes.rows import normalised
from pyqkit.graph.lowering.products import broadcast, multiplied
from pyqkit.graph.lowering.real import Real, Term, fractions
from pyqkit.graph.lowering.rules import Node, handles
from pyqkit.graph.lowering.session import Lowering, Value
from pyqkit.graph.lowering.tokens import is_of_channels, with_constants
from pyqkit.graph.lowering.view import channels_back, settle_alike
from pyqkit.graph.model import type_code

_QUANTISE = "put a quantiser (QuantIdentity, QuantReLU) before it"


def _number(value: Value | None) -> np.ndarray:
    return value.exact() if isinstance(value, Coded) else np.asarray(value)


def _constant_side(node: Node) -> tuple[Real, np.ndarray] | None:
    left, right = node.inputs[0], node.inputs[1]
    if isinstance(left, Real) and not isinstance(right, Real):
        return left, _number(right)
    if isinstance(right, Real) and not isinstance(left, Real):
        return right, _number(left)
    return None


def _sum(lowering: Lowering, node: Node, left: Real, right: Real) -> Real:
    name = node.outputs[0]
    check_quantised(left)
    check_quantised(right)
    norms.check_alone(left, right)
    if not (left.is_linear and right.is_linear):
        curve = joined(left, right, lambda a, b: a + b)
        if curve is not None:
            return curve
    if not (left.is_linear and right.is_linear):
        raise Unlowerable(
            "an operand has passed an activation function or a max pool and is not quantised", _QUANTISE
        )
    left, right = broadcast([left, right])
    if left.base == right.base and np.array_equal(left.view, right.view) and (left.view >= 0).all():
        return _added(left, right)
    (left, right), last = settle_alike(lowering, [left, right], name)
    return channels_back(_added(left, right)) if last else _added(left, right)


def _added(left: Real, right: Real) -> Real:
    terms: dict[str, Term] = {}
    for term in (*left.terms, *right.terms):
        known = terms.get(term.tensor)
        terms[term.tensor] = term if known is None else Term(term.tensor, known.factor + term.factor)
    return replace(left, terms=tuple(terms.values()), offset=left.offset + right.offset)


@handles(Layer("Add", ("torch.add",), ("QuantEltwiseAdd",), "two tensors, or a constant"))
def add(lowering: Lowering, node: Node) -> list[Value]:
    one = _constant_side(node)
    if one:
        return [_with_constant(lowering, node, *one)]
    return [_sum(lowering, node, node.real(0), node.real(1))]


def _with_constant(lowering: Lowering, node: Node, real: Real, values: np.ndarray) -> Real:
    if masks.hides(values):
        return masks.masked(real, values)
    if real.is_linear and real.shape and values.size > 1 and not is_of_channels(real, values):
        frame = values[0] if values.ndim == len(real.shape) + 1 and len(values) == 1 else values
        return with_constants(lowering, real, frame, node.outputs[0])
    return real.affine(fractions(1, real.channels), real.per_channel(values))


@handles(Layer("Sub", ("torch.sub",), (), "two tensors, or a constant"))
def subtract(lowering: Lowering, node: Node) -> list[Value]:
    one = _constant_side(node)
    if one:
        real, values = one
        sign = 1 if real is node.inputs[0] else -1
        return [real.affine(fractions(sign, real.channels), -sign * real.per_channel(values))]
    left, right = node.real(0), node.real(1)
    moved = norms.distance(left, right)
    if moved is not None:
        return [moved]
    turned = right.affine(fractions(-1, right.channels), fractions(0, right.channels))
    return [_sum(lowering, node, left, turned)]


@handles(Layer("Mul", ("torch.mul",), ("QuantScaleBias",), "two tensors, or a constant"))
def multiply(lowering: Lowering, node: Node) -> list[Value]:
    one = _constant_side(node)
    if not one:
        return [_product(lowering, node, node.real(0), node.real(1))]
    real, values = one
    return [real.affine(real.per_channel(values), fractions(0, real.channels))]


def _product(lowering: Lowering, node: Node, left: Real, right: Real) -> Real:
    norm = norms.scaled(left, right)
    if norm is not None:
        return normalised(lowering, norm, node.outputs[0])
    curve = norms.squared(left, right) or joined(left, right, lambda a, b: a * b)
    if curve is not None:
        return curve
    norms.check_alone(left, right)
    return multiplied(lowering, left, right, node.outputs[0])


@handles(Layer("Div", ("torch.div",), (), "by a constant, or by the root of a norm"))
def divide(lowering: Lowering, node: Node) -> list[Value]:
    one = _constant_side(node)
    if not one:
        left, right = node.real(0), node.real(1)
        norm = norms.quotient(left, right)
        if norm is not None:
            return [normalised(lowering, norm, node.outputs[0])]
        norms.check_alone(left, right)
        curve = joined(left, right, lambda a, b: a / b)
        if curve is None:
            raise Unlowerable(
                "it divides by another tensor that depends on the input", "divide by constants only"
            )
        return [curve]
    real, values = one
    if real is not node.inputs[0]:
        inverse = real.then(norms.RECIPROCAL)
        return [inverse.affine(real.per_channel(values), fractions(0, real.channels))]
    divisor = real.per_channel(values)
    if any(d == 0 for d in divisor):
        raise Unlowerable("it divides by zero", "check the constant")
    return [real.affine(np.array([1 / d for d in divisor], dtype=object), fractions(0, real.channels))]


@handles(
    Layer("Max", ("torch.maximum",), (), "constants, and branches of one tensor"),
    Layer("Min", ("torch.minimum",), (), "constants, and branches of one tensor"),
)
def extreme(lowering: Lowering, node: Node) -> list[Value]:
    """The largest, or smallest, of any number of constants and branches."""
    larger = node.type == "Max"
    given = [value if isinstance(value, Real) else _number(value) for value in node.inputs]
    reals = [value for value in given if isinstance(value, Real)]
    found = reals[0]
    for other in reals[1:]:
        curve = joined(found, other, Jet.maximum if larger else Jet.minimum)
        if curve is None:
            raise Unlowerable("it compares two different tensors", "compare with constants only")
        found = curve
    for constant in (value for value in given if not isinstance(value, Real)):
        found = found.then(_limited(found.per_channel(constant), larger))
    return [found]


def _limited(limits: Fractions, larger: bool) -> Function:
    """The larger, or smaller, of a number and a constant of its channel."""
    if (limits == limits[0]).all():
        return Clip(limits[0], None) if larger else Clip(None, limits[0])
    ends = [Clip(limit, None) if larger else Clip(None, limit) for limit in limits]
    return Curve(lambda x, channel: ends[channel].at(x, channel), uniform=False, increasing=True)


@handles(Layer("Neg", ("torch.neg",)))
def negate(lowering: Lowering, node: Node) -> list[Value]:
    real = node.real()
    return [real.affine(fractions(-1, real.channels), fractions(0, real.channels))]


# `momentum` matters while training alone; `spatial` was an attribute of op-sets before 9.
@handles(
    Layer(
        "BatchNormalization",
        ("torch.nn.BatchNorm1d", "torch.nn.BatchNorm2d"),
        ("BatchNorm2dToQuantScaleBias",),
    ),
    attributes=("epsilon", "momentum"),
    only={"training_mode": 0, "spatial": 1},
)
def batch_norm(lowering: Lowering, node: Node) -> list[Value]:
    real = node.real()
    if any(node.outputs[1:]):  # how op-sets before 14 say it
        raise Unlowerable(
            "it has the outputs of training mode", "export the model in evaluation mode: model.eval()"
        )
    gain, bias, mean, variance = (
        node.constant(i + 1, what) for i, what in enumerate(("gain", "bias", "mean", "variance"))
    )
    gain, variance = (values.astype(np.float64) for values in (gain, variance))
    if len(real.shape) > 3:
        raise Unlowerable(
            f"it normalises a tensor of {len(real.shape) + 1} axes", "normalise tensors of 2 to 4 axes"
        )
    axes = (slice(None), *(None,) * (len(real.shape) - 1))
    with np.errstate(all="ignore"):  # what is no number is refused below, by channel
        found = batch_norm_factor(gain, variance, float(node.attributes.get("epsilon", 1e-5)))
    broken = np.flatnonzero(~np.isfinite(found) | (variance < 0))
    if broken.size:
        channel = int(broken[0])
        raise Unlowerable(
            f"its channel {channel} has gain {gain[channel]:g} and variance {variance[channel]:g}, "
            f"which make the factor {found[channel]:g}",
            "train it again, or give the channel a gain that is finite and a variance above zero",
        )
    factor = fractions(found)
    offset = fractions(bias) - factor * fractions(mean)
    return [real.affine(real.per_channel(factor[axes]), real.per_channel(offset[axes]))]


@handles(Layer("Identity", ("torch.nn.Identity",)), moves=True)
def identity(lowering: Lowering, node: Node) -> list[Value]:
    return [node.needed(0)]


@handles(Layer("Dropout", ("torch.nn.Dropout",)), attributes=("ratio", "seed"), moves=True)
def dropout(lowering: Lowering, node: Node) -> list[Value]:
    if node.given(2) is not None and np.any(node.constant(2, "training mode")):
        raise Unlowerable(
            "it drops elements at random (training_mode is true)",
            "export the model in evaluation mode: model.eval()",
        )
    return [node.needed(0)]


@handles(Layer("Cast", ("torch.Tensor.float",)), attributes=("to", "saturate", "round_mode"))
def cast(lowering: Lowering, node: Node) -> list[Value]:
    kept = ("FLOAT", "DOUBLE")
    if node.attributes["to"] not in (type_code(name) for name in kept):
        raise Unlowerable(
            "it rounds to a type of fewer values",
            f"cast to {' or '.join(kept)} alone, and round with a quantiser",
        )
    return [node.needed(0)]
