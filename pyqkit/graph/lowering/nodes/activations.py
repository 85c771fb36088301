"""Activation functions, and other functions of one number: they wait for the next quantiser."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce

import numpy as np

from pyqkit.graph.lowering import smooth
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.functions import Affine, Clip, Curve, Function, Jump, Leaky, Sign
from pyqkit.graph.lowering.jets import Jet
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.nodes.linear_quantisers import clipped
from pyqkit.graph.lowering.norms import RECIPROCAL, ROOT, SQUARE
from pyqkit.graph.lowering.real import Real, fractions
from pyqkit.graph.lowering.rules import Node, handles
from pyqkit.graph.lowering.session import Lowering, Stored, Value

_ZERO, _ONE, _HALF = Fraction(0), Fraction(1), Fraction(1, 2)
_CUBIC = Fraction(44715, 10**6)  # of the tanh form of GELU
_MOST_POWER = 16


@handles(Layer("Relu", ("torch.nn.ReLU",), ("QuantReLU",)))
def relu(lowering: Lowering, node: Node) -> list[Value]:
    return [node.real().then(Clip(_ZERO, None))]


@handles(
    Layer("Clip", ("torch.nn.ReLU6", "torch.nn.Hardtanh", "torch.clamp"), ("QuantHardTanh",)),
    attributes=("min", "max"),
)
def clip(lowering: Lowering, node: Node) -> list[Value]:
    source = node.needed(0)
    if isinstance(source, Stored):
        return [clipped(node, source)]
    ends: list[Fraction | None] = []
    for index, key, none in ((1, "min", -np.inf), (2, "max", np.inf)):
        given = node.inputs[index] if index < len(node.inputs) else None
        value = node.attributes.get(key, none) if given is None else node.constant(index, key)
        number = np.asarray(value)
        if number.size != 1:
            raise Unlowerable(f"its {key} has {number.size} elements", f"use one {key} for the whole tensor")
        ends.append(None if number == none else fractions(number)[0])
    low, high = ends
    if low is not None and high is not None and low > high:
        low = high  # what ONNX says of such limits: everything becomes the upper one
    return [node.real().then(Clip(low, high))]


@handles(
    Layer("LeakyRelu", ("torch.nn.LeakyReLU",)), Layer("PRelu", ("torch.nn.PReLU",)), attributes=("alpha",)
)
def leaky(lowering: Lowering, node: Node) -> list[Value]:
    real = node.real()
    slope = (
        node.constant(1, "slope")
        if node.type == "PRelu"
        else np.array(node.attributes.get("alpha", 0.01), np.float32)
    )
    function = Leaky(real.per_channel(slope))
    if all(s > 0 for s in function.slope):
        return [real.then(function)]
    return [real.then(Curve(function.at, function.uniform, all(s >= 0 for s in function.slope)))]


@handles(Layer("HardSigmoid", ("torch.nn.Hardsigmoid",)), attributes=("alpha", "beta"))
def hard_sigmoid(lowering: Lowering, node: Node) -> list[Value]:
    real = node.real()
    slope, shift = (_float32(node, key, default) for key, default in (("alpha", 0.2), ("beta", 0.5)))
    scaled = real.then(Affine(fractions(slope, real.channels), fractions(shift, real.channels)))
    return [scaled.then(Clip(_ZERO, _ONE))]


_FUNCTIONS: dict[str, Function] = {
    "Sigmoid": smooth.SIGMOID,
    "Tanh": smooth.TANH,
    "Softplus": smooth.SOFTPLUS,
    "Softsign": smooth.SOFTSIGN,
    "Exp": smooth.EXPONENTIAL,
    "Log": Curve(lambda x, _: x.logarithm(), increasing=True),
    "Sqrt": ROOT,
    "Erf": Curve(lambda x, _: x.error_function(), increasing=True, and_one=Jet.one_and_error_function),
    "Reciprocal": RECIPROCAL,
    "Abs": Curve(lambda x, _: x.maximum(-x)),
    "Sign": Sign(),
    "HardSwish": Curve(lambda x, _: x * Clip(_ZERO, _ONE).at(x * Fraction(1, 6) + _HALF, 0)),
    "Mish": Curve(lambda x, _: x * x.softplus().tangent()),
}


@handles(
    Layer("Sigmoid", ("torch.nn.Sigmoid", "torch.nn.SiLU"), ("QuantSigmoid",)),
    Layer("Tanh", ("torch.nn.Tanh",), ("QuantTanh",)),
    Layer("Softplus", ("torch.nn.Softplus",)),
    Layer("Softsign", ("torch.nn.Softsign",)),
    Layer("Exp", ("torch.exp",)),
    Layer("Log", ("torch.log",)),
    Layer("Sqrt", ("torch.sqrt",)),
    Layer("Erf", ("torch.erf", "torch.nn.GELU")),
    Layer("Reciprocal", ("torch.reciprocal",)),
    Layer("Abs", ("torch.abs",)),
    Layer("Sign", ("torch.sign",)),
    Layer("HardSwish", ("torch.nn.Hardswish",)),
    Layer("Mish", ("torch.nn.Mish",)),
)
def function(lowering: Lowering, node: Node) -> list[Value]:
    return [node.real().then(_FUNCTIONS[node.type])]


@handles(Layer("Gelu", ("torch.nn.GELU",)), attributes=("approximate",))
def gelu(lowering: Lowering, node: Node) -> list[Value]:
    """x times the normal distribution, or the formula that approximates it."""
    form = node.attributes.get("approximate", "none")
    if form not in ("none", "tanh"):
        raise Unlowerable(f"its approximation {form!r} is not known", "use approximate='none' or 'tanh'")
    return [node.real().then(Curve(_gelu_tanh if form == "tanh" else lambda x, _: x * x.normal()))]


def _gelu_tanh(x: Jet, channel: int) -> Jet:
    """``x / 2 * (1 + tanh(y)) = x * sigmoid(2 * y)``."""
    inner = x + x.power(3) * _CUBIC
    return x * (inner.times_root_of_two_over_pi() * Fraction(2)).sigmoid()


@handles(Layer("Elu", ("torch.nn.ELU",)), attributes=("alpha",))
def elu(lowering: Lowering, node: Node) -> list[Value]:
    return [node.real().then(_elu(_float32(node, "alpha", 1.0)))]


def _elu(alpha: Fraction) -> Function:
    found = smooth.elu(alpha)
    return found if alpha > 0 else Curve(found.at, increasing=alpha == 0)


@handles(Layer("Selu", ("torch.nn.SELU",)), attributes=("alpha", "gamma"))
def selu(lowering: Lowering, node: Node) -> list[Value]:
    alpha, gamma = (_float32(node, k, d) for k, d in (("alpha", 1.6732632), ("gamma", 1.050701)))
    return [_scaled(node.real().then(_elu(alpha)), gamma)]


@handles(Layer("Celu", ("torch.nn.CELU",)), attributes=("alpha",))
def celu(lowering: Lowering, node: Node) -> list[Value]:
    """``max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))``, which is the ELU of x / alpha times alpha."""
    alpha = _float32(node, "alpha", 1.0)
    if alpha <= 0:
        raise Unlowerable("its alpha is not positive", "use a positive alpha")
    return [_scaled(_scaled(node.real(), 1 / alpha).then(_elu(_ONE)), alpha)]


@handles(Layer("ThresholdedRelu", ("torch.nn.Threshold",)), attributes=("alpha",))
def thresholded(lowering: Lowering, node: Node) -> list[Value]:
    jump = Jump(_float32(node, "alpha", 1.0))
    return [node.real().then(jump if jump.limit >= 0 else Curve(jump.at))]


@handles(Layer("Shrink", ("torch.nn.Hardshrink", "torch.nn.Softshrink")), attributes=("lambd", "bias"))
def shrink(lowering: Lowering, node: Node) -> list[Value]:
    limit, bias = _float32(node, "lambd", 0.5), _float32(node, "bias", 0.0)

    def forward(x: Jet, channel: int) -> Jet:
        inside = x.chosen_above(limit, x + -bias, x.constant(_ZERO))
        return (-x).chosen_above(limit, x + bias, inside)

    return [node.real().then(Curve(forward))]


@handles(Layer("Pow", ("torch.pow",), note="to the power of one constant"))
def power(lowering: Lowering, node: Node) -> list[Value]:
    given = np.asarray(node.constant(1, "exponent"))
    if given.size != 1:
        raise Unlowerable(f"it has {given.size} exponents", "use one exponent for the whole tensor")
    functions = _power(fractions(given)[0])
    return [reduce(Real.then, functions, node.real())]


def _power(exponent: Fraction) -> tuple[Function, ...]:
    """Functions that make a power, one after the other."""
    known: dict[Fraction, tuple[Function, ...]] = {
        Fraction(2): (SQUARE,),
        _HALF: (ROOT,),
        -_HALF: (ROOT, RECIPROCAL),
    }
    if exponent in known:
        return known[exponent]
    if exponent.denominator == 1 and abs(exponent) <= _MOST_POWER:
        size = abs(exponent.numerator)
        return (Curve(lambda x, _: x.power(size) if exponent >= 0 else x.power(size).reciprocal()),)
    return (Curve(lambda x, _: (x.logarithm() * exponent).exponential()),)


def _scaled(real: Real, factor: Fraction) -> Real:
    return real.affine(fractions(factor, real.channels), fractions(0, real.channels))


def _float32(node: Node, key: str, default: float) -> Fraction:
    """An attribute, which ONNX keeps in float32."""
    return fractions(float(np.float32(node.attributes.get(key, default))))[0]
