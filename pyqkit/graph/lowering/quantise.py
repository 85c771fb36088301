"""Quantisers: a `Real` to codes, through thresholds computed in rational arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm
from typing import TYPE_CHECKING

import numpy as np

from pyqkit.formats import Boundary, Integer, NumberFormat
from pyqkit.graph.graph import Port, Tensor
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.real import (
    Affine,
    Condition,
    Fractions,
    Function,
    Outcome,
    Real,
    Term,
    compare,
    floats,
    fractions,
)
from pyqkit.graph.lowering.rescale import SUM_BITS, equal_to_thresholds, rounded_scaling
from pyqkit.graph.lowering.view import is_plain
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.pool import MaxPool
from pyqkit.graph.ops.requantise import Rescale, Threshold

if TYPE_CHECKING:
    from pyqkit.graph.importer import Lowering

THRESHOLD_BITS = 8  # wider outputs are rescaled: 2**bits - 1 thresholds a channel would not fit a device
WIDE_SUM_BITS = 48
_NEAR_A_TIE = 2.0**-20  # quotients of up to 16 bits are off by far less


@dataclass(frozen=True, eq=False)
class Quantiser:
    """A rounding to a format, as a Quant, FloatQuant, BipolarQuant or FormatQuant node describes it.

    Attributes
    ----------
    format : NumberFormat
        Of prescale 1; a scale factor in its name has moved into `scale`.
    scale : numpy.ndarray
        Real value of the format's value 1: one number, or one for each element of a shape that broadcasts.
    boundaries : tuple of Boundary
        Where rounding moves from ``format.codes[i]`` to the next code, in values of the format.
    prescale : Fraction
        Factor of `scale` that is no float (the scale factor of a Logarithmic Posit).
    """

    format: NumberFormat
    scale: np.ndarray
    boundaries: tuple[Boundary, ...]
    prescale: Fraction = Fraction(1)

    @classmethod
    def of(cls, fmt: NumberFormat, scale: np.ndarray, rounding: str = "nearest") -> Quantiser:
        """Quantiser with the boundaries of its format."""
        wide = isinstance(fmt, Integer) and fmt.bits > THRESHOLD_BITS
        if wide and rounding != "nearest":
            raise Unlowerable(
                f"rounding {rounding} to {fmt} is not supported", "round to nearest, or to at most 8 bits"
            )
        return cls(fmt.base, scale, () if wide else fmt.base.boundaries(rounding), fmt.prescale)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Codes of constants, decided exactly.

        ``value / scale >= boundary`` without rounding the quotient.
        """
        values = np.asarray(values)
        values = values if values.dtype.kind == "f" else values.astype(np.float64)
        scales = np.asarray(self.scale)
        if scales.ndim > values.ndim or any(
            s not in (1, n) for s, n in zip(scales.shape[::-1], values.shape[::-1])
        ):
            raise Unlowerable(
                f"its scale of shape {scales.shape} does not fit values of shape {values.shape}",
                "give one scale a channel",
            )
        scales = scales.reshape((1,) * (values.ndim - scales.ndim) + scales.shape)
        if (scales < 0).any():  # a grid is the same with both signs turned
            values, scales = np.where(scales < 0, -values, values), abs(scales)
        if not self.boundaries:
            return self._encode_wide(values, scales)
        codes = np.empty(values.shape, self.format.code_dtype)
        limits: dict[float, np.ndarray] = {}
        for where in np.ndindex(*scales.shape):
            scale = float(scales[where])
            if scale not in limits:
                exact = Fraction(scale) * self.prescale
                limits[scale] = np.array(
                    [
                        Boundary(b.position * exact, b.inclusive).smallest(values.dtype)
                        for b in self.boundaries
                    ],
                    values.dtype,
                )
            region = tuple(slice(None) if n == 1 else slice(i, i + 1) for i, n in zip(where, scales.shape))
            codes[region] = self.format.codes[np.searchsorted(limits[scale], values[region], side="right")]
        return codes

    def _encode_wide(self, values: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """Codes by division; a quotient next to a tie is decided in rational arithmetic."""
        assert isinstance(self.format, Integer)
        quotients = np.clip(
            values.astype(np.float64) / scales.astype(np.float64), self.format.low - 1, self.format.high + 1
        )
        stored = np.rint(quotients).astype(np.int64) + self.format.zero_point
        spread = np.broadcast_to(scales, values.shape)
        for place in np.argwhere(abs(abs(quotients - np.floor(quotients)) - 0.5) < _NEAR_A_TIE):
            at = tuple(place)
            stored[at] = round(
                Fraction(values[at].item()) / Fraction(spread[at].item()) + self.format.zero_point
            )
        return self.format.from_integers(
            np.clip(stored - self.format.zero_point, self.format.low, self.format.high)
        )


def quantise(lowering: Lowering, real: Real, quantiser: Quantiser, name: str) -> Real:
    """Emit the operators that round `real`, and return the codes as a `Real`."""
    scale = real.per_channel(quantiser.scale) * quantiser.prescale
    if any(s < 0 for s in scale):
        sign = fractions(np.array([-1 if s < 0 else 1 for s in scale]))
        level = fractions(0, real.channels)
        positive = replace(quantiser, scale=abs(np.asarray(quantiser.scale)))
        return quantise(lowering, real.affine(sign, level), positive, name).affine(sign, level)
    step = scale * quantiser.format.unit
    if real.raw:
        return _quantise_input(lowering, real, quantiser, scale, name)
    if real.pool is None:
        real = single_term(lowering, real, name)
    (term,) = real.terms
    tensor = lowering.graph.tensors[term.tensor]
    if real.is_codes and tensor.format == quantiser.format and all(a == b for a, b in zip(term.factor, step)):
        return real  # already rounded to this grid
    if quantiser.boundaries:
        thresholds, falling = _thresholds(tensor, real, quantiser.boundaries, scale)
        scaling = equal_to_thresholds(tensor, quantiser.format, thresholds, falling, term.factor / scale)
        attributes = {"thresholds": thresholds, "falling": falling} if scaling is None else vars(scaling)
        kind = Threshold if scaling is None else Rescale
    else:
        kind, attributes = (
            Rescale,
            vars(rounded_scaling(lowering, tensor, real, quantiser.format, scale, name)),
        )
    out = lowering.emit(kind, name, [tensor.name], format=quantiser.format, **attributes)
    shape = real.base
    if real.pool is not None:
        window, stride, padding = real.pool
        out = lowering.emit(
            MaxPool, out.name + "_pool", [out.name], window=window, stride=stride, padding=padding
        )
        shape = out.shape
    result = Real((Term(out.name, step),), fractions(0, len(step)), shape, real.view)
    if is_plain(result):
        lowering.graph.sources[out.name] = name
    return result


def mirrored(lowering: Lowering, tensor: str, falling: np.ndarray, name: str) -> str:
    """The tensor with the codes of some channels in the opposite order, lowest for highest.

    Doing it twice changes nothing.
    """
    if not falling.any():
        return tensor
    fmt = lowering.graph.tensors[tensor].format
    stem = f"{lowering.stem(name)}_mirrored"
    if isinstance(fmt, Integer):
        multiplier, offset = np.where(falling, -1, 1), np.where(falling, fmt.low + fmt.high, 0)
        return lowering.emit(
            Rescale, stem, [tensor], format=fmt, multiplier=multiplier, offset=offset, shift=0
        ).name
    steps = np.tile(fmt.integers[fmt.codes[1:]].astype(np.int64), (len(falling), 1))
    return lowering.emit(Threshold, stem, [tensor], format=fmt, thresholds=steps, falling=falling).name


def single_term(lowering: Lowering, real: Real, name: str) -> Real:
    """`real` as a multiple of one tensor: several terms are added by an `Add` with integer multipliers."""
    if len(real.terms) == 1:
        return real
    reaches = [
        max(abs(t.low), abs(t.high), 1) for t in (lowering.graph.tensors[term.tensor] for term in real.terms)
    ]
    rows = [_aligned(column, reaches) for column in zip(*(term.factor for term in real.terms))]
    units, multipliers = [row.unit for row in rows], [row.multipliers for row in rows]
    rounded = [channel for channel, row in enumerate(rows) if row.rounded]
    if rounded:
        lowering.note(
            f"{lowering.stem(name)}: the smaller scales of its branches were rounded in "
            f"{len(rounded)} of {len(rows)} channels (channel "
            f"{rounded[0]} first), so that sums fit {SUM_BITS + 1} bits; power-of-two scales of "
            "similar size avoid this"
        )
    table = np.array([[int(m) for m in row] for row in multipliers], dtype=np.int64).T
    out = lowering.emit(
        Add,
        lowering.stem(name) + "_sum",
        [t.tensor for t in real.terms],
        multipliers=np.ascontiguousarray(table),
    )
    if out.format.bits > WIDE_SUM_BITS:
        lowering.note(
            f"{out.name}: its branches meet in {out.format.bits}-bit sums, because their scales "
            "have no simple ratio; "
            "quantise both branches with power-of-two scales for a small adder"
        )
    return Real(
        (Term(out.name, fractions(np.array(units, dtype=object))),),
        real.offset,
        real.base,
        real.view,
        real.functions,
        real.pool,
        real.pooled,
    )


@dataclass(frozen=True)
class _Aligned:
    """Integer multipliers of one channel's branches.

    ``multipliers[i] * unit`` is the factor of branch i, or near it.
    """

    unit: Fraction
    multipliers: list[int]
    rounded: bool


def _aligned(factors: tuple[Fraction, ...], reaches: list[int]) -> _Aligned:
    """The smallest multipliers in the exact ratio of the factors; where their sums are too wide, the largest
    factors stay exact.

    A factor that is rounded stays other than zero: where the exact branches meet a boundary, the sign of the
    rest decides.
    """
    order = sorted(range(len(factors)), key=lambda i: -abs(factors[i]))
    for kept in range(len(order), 0, -1):
        unit = _common_unit([factors[i] for i in order[:kept]])
        if sum(abs(factors[i] / unit) * reaches[i] for i in order[:kept]) < 2**SUM_BITS:
            break
    if kept == len(order):
        return _Aligned(unit, [int(f / unit) for f in factors], False)
    rest = sum(reaches[i] for i in order[kept:])  # the most that rounding a multiplier by one adds
    total = sum(abs(f / unit) * reach for f, reach in zip(factors, reaches))
    spare = (2**SUM_BITS - 1 - rest) / total
    if spare <= 0:
        raise Unlowerable(
            f"sums of its branches need more than {SUM_BITS + 1} bits",
            "quantise the branches before they are added",
        )
    unit /= Fraction(2) ** _floor_log2(spare)
    sign = [(f > 0) - (f < 0) for f in factors]
    return _Aligned(unit, [round(f / unit) or s for f, s in zip(factors, sign)], True)


def _floor_log2(x: Fraction) -> int:
    """Exponent of the largest power of two up to x."""
    found = x.numerator.bit_length() - x.denominator.bit_length()
    return found if Fraction(2) ** found <= x else found - 1


def _common_unit(factors: list[Fraction]) -> Fraction:
    """Largest number of which all factors are integer multiples; 1 if all are zero."""
    denominator = lcm(*(f.denominator for f in factors))
    return Fraction(gcd(*(int(f * denominator) for f in factors)), denominator) or Fraction(1)


def _before(functions: tuple[Function, ...], condition: Condition, channel: int) -> Outcome:
    outcome: Outcome = condition
    for function in reversed(functions):
        if isinstance(outcome, bool):
            return outcome
        outcome = function.before(outcome, channel)
    return outcome


def _thresholds(
    tensor: Tensor, real: Real, boundaries: tuple[Boundary, ...], scale: Fractions
) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds and falling flags of `Threshold`, exactly."""
    channels, steps = real.channels, len(boundaries)
    thresholds = np.empty((channels, steps), np.int64)
    falling = np.zeros(channels, bool)
    (term,) = real.terms
    uniform = all(s == scale[0] for s in scale) and not any(
        hasattr(f, "factor") or hasattr(f, "slope") for f in real.functions
    )
    shared = (
        [_before(real.functions, Condition(b.position * scale[0], b.inclusive), 0) for b in boundaries]
        if uniform
        else None
    )
    for channel in range(channels):
        outcomes = shared or [
            _before(real.functions, Condition(b.position * scale[channel], b.inclusive), channel)
            for b in boundaries
        ]
        thresholds[channel], falling[channel] = _channel_thresholds(
            tensor, outcomes, term.factor[channel], real.offset[channel]
        )
    return thresholds, falling


def _channel_thresholds(
    tensor: Tensor, outcomes: list[Outcome], factor: Fraction, offset: Fraction
) -> tuple[list[int], bool]:
    """First integer of each step: conditions on ``factor * x + offset`` turned into ``x >= threshold``."""
    always, never = tensor.low, tensor.high + 1
    if factor == 0:
        outcomes = [o if isinstance(o, bool) else compare(offset, o) for o in outcomes]
    falls = any(not isinstance(o, bool) and o.below != (factor < 0) for o in outcomes)
    found = []
    common = lcm(factor.denominator, offset.denominator)
    slope, shift = int(factor * common), int(offset * common)
    for outcome in outcomes:
        if isinstance(outcome, bool):
            # A falling channel counts the steps from the top: the step is passed while x stays below its
            # threshold.
            found.append(always if outcome != falls else never)
            continue
        position = outcome.position
        # factor*x + offset ? p/q  <=>  x ? (p*common - q*shift) / (q*slope)
        numerator, denominator = (
            position.numerator * common - position.denominator * shift,
            position.denominator * slope,
        )
        if denominator < 0:
            numerator, denominator = -numerator, -denominator
        # rising: x >= q (ceil) or x > q (floor + 1); falling: x <= q fails from floor + 1 on, x < q fails
        # from ceil on
        ceiling = outcome.inclusive != falls
        value = -(-numerator // denominator) if ceiling else numerator // denominator + 1
        found.append(min(max(value, always), never))
    return (found[::-1] if falls else found), falls


def _quantise_input(
    lowering: Lowering, real: Real, quantiser: Quantiser, scale: Fractions, name: str
) -> Real:
    if any(s != scale[0] for s in scale) or any(not isinstance(f, Affine) for f in real.functions):
        raise Unlowerable(
            "the input is quantised with one scale per channel", "use one scale for the whole input"
        )
    (term,) = real.terms
    factor, offset = term.factor[0], real.offset[0]
    if any(f <= 0 for f in term.factor):
        raise Unlowerable(
            "the input falls before its first quantiser (a factor or scale that is not positive)",
            "turn the input's sign outside",
        )
    if any(f != factor for f in term.factor) or any(o != offset for o in real.offset):
        raise Unlowerable(
            "the input is normalised per channel before its first quantiser",
            "normalise the input outside the network",
        )
    if not quantiser.boundaries:
        raise Unlowerable(
            f"the input is quantised to {quantiser.format}", "quantise the input to at most 8 bits"
        )
    limits = [
        Boundary((b.position * scale[0] - offset) / factor, b.inclusive).smallest(np.float32)
        for b in quantiser.boundaries
    ]
    key = (term.tensor, quantiser.format, scale[0], tuple(limits))
    if key not in lowering.input_tensors:
        tensor = Tensor.of(lowering.name(term.tensor), real.base, quantiser.format)
        lowering.graph.tensors[tensor.name] = tensor
        lowering.input_tensors[key] = tensor.name
        onnx_shape = lowering.input_shapes[term.tensor]
        order = plain_order(onnx_shape, real.base)
        step, level = (
            floats(fractions(scale[0] * quantiser.format.unit / factor)),
            floats(fractions(-offset / factor)),
        )
        port = Port(tensor.name, term.tensor, onnx_shape, order, step, level, np.array(limits, np.float32))
        lowering.graph.inputs.append(port)
    found = lowering.input_tensors[key]
    step_exact = fractions(scale[0] * quantiser.format.unit, real.channels)
    result = Real((Term(found, step_exact),), fractions(0, real.channels), real.base, real.view)
    if is_plain(result):
        lowering.graph.sources.setdefault(found, name)
    return result


def plain_order(onnx_shape: tuple[int, ...], base: tuple[int, int, int]) -> np.ndarray:
    """Where each element of an ONNX input stands in the flattened (height, width, channels)."""
    if len(onnx_shape) == 1:
        return np.arange(onnx_shape[0])
    return np.arange(int(np.prod(base))).reshape(base).transpose(2, 0, 1).reshape(onnx_shape)
