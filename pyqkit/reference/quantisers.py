"""Quant, IntQuant, FloatQuant, BipolarQuant and FormatQuant nodes.

What they round to, as QONNX and pyqkit's own operator say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np

from pyqkit.formats import Integer, Microscaled, Minifloat, NumberFormat, OddLevels, parse
from pyqkit.reference.blocks import shared_exponents
from pyqkit.reference.doubledouble import DoubleDouble, where
from pyqkit.reference.node import Node, Operation
from pyqkit.reference.quantised import Moved, Quantised, Shares, Value, ratio_of
from pyqkit.reference.ratio import Ratio
from pyqkit.reference.rounding import MODES, Decision, Grid, decide

QONNX = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
OWN = ("pyqkit.custom_op.general",)
_WIDEST, _WIDEST_CONSTANT = 16, 32  # bits


@dataclass(frozen=True, eq=False)
class Quantiser:
    """What a quantiser node says.

    Attributes
    ----------
    format : NumberFormat
        Of the codes.
    grid : Grid
        Values in units of the step.
    step : DoubleDouble
        Real value of 1 on the grid, of any sign but never zero; broadcasts to what is rounded.
    keeps_order : bool
        Whether values are rounded as they are, whatever the sign of the step (BipolarQuant), instead of
        divided by it.
    """

    format: NumberFormat
    grid: Grid
    step: DoubleDouble
    keeps_order: bool = False


def quantiser_of(node: Node) -> Quantiser:
    """Quantiser of any of the nodes, unless it rounds in blocks."""
    return _READ[node.type](node)


def quantise(node: Node, source: Value, quantiser: Quantiser) -> Quantised:
    """Round a value, and count its ties; refuse where the exact value is not known well enough."""
    if isinstance(source, Shares):
        return _quantise_shares(node, source, quantiser)
    return _chosen(quantiser, _decided(node, ratio_of(source), quantiser))


def _chosen(quantiser: Quantiser, found: Decision) -> Quantised:
    return Quantised(quantiser.grid.contents[found.index], quantiser.format, quantiser.step, found.ties)


def _decided(node: Node, source: Ratio, quantiser: Quantiser) -> Decision:
    x, step = source.numerator, quantiser.step
    if np.isnan(x.high).any():
        node.refuse("numbers were", "NaN came", "look for the node that makes it")
    if step.high.ndim > x.high.ndim or np.broadcast_shapes(step.shape, x.shape) != x.shape:
        node.refuse(
            f"a scale that broadcasts to {x.shape} was", f"one of shape {step.shape} came", "check the scale"
        )
    falls = step.high < 0
    if falls.any():
        step = where(falls, -step, step)
        x = x if quantiser.keeps_order else where(np.broadcast_to(falls, x.shape), -x, x)
    found = decide(x, step * source.divisor, quantiser.grid)
    if found.undecided:
        node.refuse(
            "values that 106 bits hold were",
            f"{found.undecided} of {x.high.size} lie nearer to a boundary than their error",
            "quantise earlier, or use power-of-two scales",
        )
    return found


def _quantise_shares(node: Node, source: Shares, quantiser: Quantiser) -> Quantised:
    """Round what a definition says, and count the codes that the real numbers have otherwise."""
    found = _decided(node, source.definition, quantiser)
    if quantiser.step.high.size != 1 or (quantiser.step.high < 0).any():
        node.refuse("one positive scale was", "another came", "quantise the softmax with one scale")
    own, real = found.index, decide(source, quantiser.step, quantiser.grid).index
    differs = own != real
    ends = quantiser.grid.boundaries.high[np.minimum(own, real)[differs]] * float(quantiser.step.high)
    far = (np.abs(source.high[differs] - ends) > source.bound) | (np.abs(own - real)[differs] > 1)
    return replace(_chosen(quantiser, found), moved=Moved(own.size, int(differs.sum()), int(far.sum())))


def scale_of(node: Node, index: int = 1) -> DoubleDouble:
    """A scale of a node, of either sign but never zero."""
    scale = np.asarray(node.constant(index, "scale"), np.float64)
    if not np.isfinite(scale).all() or (scale == 0).any():
        node.refuse("a finite scale other than zero was", "another one came", "calibrate the quantiser again")
    return DoubleDouble.of(scale.reshape(()) if scale.size == 1 else scale)


def whole_number(node: Node, index: int, what: str) -> int:
    """Input `index`, which must be one integer."""
    value = np.unique(np.asarray(node.constant(index, what), np.float64))
    if value.size != 1 or not np.isfinite(value[0]) or value[0] != np.rint(value[0]):
        node.refuse(f"one integer as {what} was", f"{value} came", "use one for the whole tensor")
    return int(value[0])


def mode_of(node: Node, default: str = "ROUND") -> str:
    """Rounding mode of a node, one of `MODES`."""
    mode = str(node.attributes.get("rounding_mode", default)).upper()
    if mode not in MODES:
        node.refuse(f"a rounding mode out of {', '.join(MODES)} was", f"{mode} came", "use one of them")
    return mode


def _integer(node: Node) -> Quantiser:
    """``scale * (clip(round(x / scale + zero point)) - zero point)``."""
    zero_point, bits = whole_number(node, 2, "zero point"), whole_number(node, 3, "bit width")
    signed, narrow = bool(node.attributes.get("signed", 1)), bool(node.attributes.get("narrow", 0))
    widest = _WIDEST if node.varies[0] else _WIDEST_CONSTANT
    if not 1 <= bits <= widest:
        node.refuse(f"1 to {widest} bits were", f"{bits} came", "use fewer bits")
    if signed and bits == 1:  # QONNX: bipolar, narrow or not
        if zero_point:
            node.refuse(
                "one signed bit without zero point was", f"zero point {zero_point} came", "leave it at 0"
            )
        return Quantiser(OddLevels(1), _BIPOLAR, scale_of(node))
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if narrow:
        low, high = (low + 1, high) if signed else (low, high - 1)
    if bits > _WIDEST:
        quotients = np.nan_to_num(ratio_of(node.value(0)).real.high / scale_of(node).high)
        grid = Grid.near(quotients, low, high, zero_point, mode_of(node))
    else:
        grid = Grid.of_integers(low, high, zero_point, mode_of(node))
    return Quantiser(Integer(bits, signed, narrow, zero_point), grid, scale_of(node))


_BIPOLAR = Grid(np.array([-1.0, 1.0]), np.array([-1, 1]), np.array([True]))  # zero counts as positive


def _bipolar(node: Node) -> Quantiser:
    """``scale`` from zero on, ``-scale`` below."""
    return Quantiser(OddLevels(1), _BIPOLAR, scale_of(node), keeps_order=True)


def _float(node: Node) -> Quantiser:
    """Significands of `mantissa` + 1 bits, exponents from 1 - bias on, the smallest one without leading 1.

    Saturating.
    """
    exponent, mantissa, bias = (
        whole_number(node, i, w) for i, w in ((2, "exponent width"), (3, "mantissa width"), (4, "bias"))
    )
    if not node.attributes.get("signed", 1):
        node.refuse("a signed minifloat was", "an unsigned one came", "QONNX executes signed ones alone")
    if not node.attributes.get("has_subnormal", 1):
        node.refuse("subnormals were", "a minifloat without them came", "use one with subnormals")
    if not node.attributes.get("saturation", 1):
        node.refuse(
            "saturation was", "a minifloat that overflows to infinity or NaN came", "set saturation to 1"
        )
    infinities, nans = bool(node.attributes.get("has_inf", 0)), bool(node.attributes.get("has_nan", 0))
    fmt = Minifloat(exponent, mantissa, variant="ieee" if infinities else "fn" if nans else "")
    smallest = Fraction(2) ** (1 - bias - mantissa)
    largest = float(np.asarray(node.constant(5, "largest value"), np.float64).ravel()[0])
    if not 0 < largest < np.inf:
        node.refuse("a finite largest value above zero was", f"{largest:g} came", f"use that of {fmt}")
    end = Fraction(largest) / smallest
    magnitudes = tuple(m for m in _magnitudes(exponent, mantissa) if m <= end)
    if magnitudes[-1] != fmt.integers.max() or (
        end != magnitudes[-1] and len(magnitudes) < 2 ** (exponent + mantissa)
    ):
        node.refuse(
            f"the largest value of {fmt} was",
            f"{float(end * smallest):g} came",
            "let it reach its largest code",
        )
    grid = Grid.of_floats(magnitudes, True, mode_of(node))
    return Quantiser(fmt, grid, scale_of(node) * DoubleDouble.of_fraction(smallest))


@lru_cache(maxsize=64)
def _magnitudes(exponent: int, mantissa: int) -> tuple[int, ...]:
    """All of a minifloat with subnormals and no special codes, in units of the smallest."""
    found = list(range(2**mantissa))
    for field in range(1, 2**exponent):
        found += [(2**mantissa + fraction) << (field - 1) for fraction in range(2**mantissa)]
    return tuple(found)


def _format(node: Node) -> Quantiser:
    """``scale * (nearest value of the format to x / scale)``."""
    fmt = _named(node)
    assert isinstance(fmt, NumberFormat)
    return Quantiser(fmt.base, Grid.of_format(fmt.base), _step(scale_of(node), fmt))


def _step(scale: DoubleDouble, fmt: NumberFormat) -> DoubleDouble:
    """What 1 on a format's grid is worth: its unit, or the value 1 of a Logarithmic Posit."""
    step = scale * DoubleDouble.of_fraction(fmt.prescale)
    return step if fmt.is_logarithmic else step * DoubleDouble.of_fraction(fmt.unit)


def _named(node: Node) -> NumberFormat | Microscaled:
    return parse(str(node.attributes.get("format", "")))


def _round_to_format(node: Node) -> list[Value]:
    fmt = _named(node)
    if isinstance(fmt, NumberFormat):
        return [quantise(node, node.value(0), _format(node))]
    source, scale = node.constant(0, "tensor to round in blocks"), scale_of(node)
    axis = int(node.attributes.get("axis", -1))
    exponents = shared_exponents(np.asarray(source, np.float64) / scale.high, fmt, axis)
    element = fmt.element
    step = _step(scale * DoubleDouble.of(np.ldexp(1.0, exponents)), element)
    return [
        replace(quantise(node, source, Quantiser(element.base, Grid.of_format(element.base), step)), ties=0)
    ]


_READ = {
    "Quant": _integer,
    "IntQuant": _integer,
    "FloatQuant": _float,
    "BipolarQuant": _bipolar,
    "FormatQuant": _format,
}


def _round_with_zero_points(node: Node) -> list[Value]:
    """A constant of several zero points: rounded with each, and taken where it is the one."""
    zero, shape = node.constant(2, "zero point"), node.value(0).shape
    if node.varies[0] or np.broadcast_shapes(zero.shape, shape) != shape:
        node.refuse("one zero point was", f"{zero.shape} came", "use one for the whole tensor")
    content, ties = np.zeros(shape, np.int64), 0
    for zero_point in np.unique(zero):
        part = replace(node, inputs=[*node.inputs[:2], np.asarray(zero_point), *node.inputs[3:]])
        made = quantise(part, node.value(0), quantiser_of(part))
        content, ties = np.where(zero == zero_point, made.content, content), ties + made.ties
    width = int(np.abs(content).max(initial=1)).bit_length() + 1
    return [Quantised(content, Integer(width), scale_of(node), ties)]


def _round(node: Node) -> list[Value]:
    if node.type in ("Quant", "IntQuant") and np.unique(node.constant(2, "zero point")).size > 1:
        return _round_with_zero_points(node)
    return [quantise(node, node.value(0), quantiser_of(node))]


_INTEGER = frozenset({"signed", "narrow", "rounding_mode"})
_FLOAT = frozenset({"signed", "rounding_mode", "has_inf", "has_nan", "has_subnormal", "saturation"})
OPERATIONS = {
    "Quant": Operation(_round, _INTEGER, QONNX),
    "IntQuant": Operation(_round, _INTEGER, QONNX),
    "FloatQuant": Operation(_round, _FLOAT, QONNX),
    "BipolarQuant": Operation(_round, frozenset(), QONNX),
    "FormatQuant": Operation(_round_to_format, frozenset({"format", "axis"}), OWN),
}
