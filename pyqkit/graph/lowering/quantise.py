"""Quantisers: a `Real` to codes, through thresholds computed in rational arithmetic."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import lcm

import numpy as np

from pyqkit.formats import Boundary, Integer
from pyqkit.graph.graph import Port, Tensor
from pyqkit.graph.input_format import HINT
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.functions import Affine, Fractions
from pyqkit.graph.lowering.quantiser import Quantiser
from pyqkit.graph.lowering.real import Real, Term, floats, fractions
from pyqkit.graph.lowering.rescale import equal_to_thresholds, rounded_scaling
from pyqkit.graph.lowering.row_functions import gain_and_offset
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.lowering.sums import single_term
from pyqkit.graph.lowering.tables import is_curved, requantised
from pyqkit.graph.lowering.thresholds import thresholds_of
from pyqkit.graph.lowering.view import channels_back, is_piece, note_source, settle_alike
from pyqkit.graph.ops.nearest import WIDEST
from pyqkit.graph.ops.pool import MaxPool, pool_fields
from pyqkit.graph.ops.requantise import Rescale, Threshold


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
    if real.rows is not None:
        return _quantise_rows(lowering, real, quantiser, scale, name)
    if real.pool is None:
        if is_piece(real):  # only what is left is rounded
            (piece,), last = settle_alike(lowering, [real], name)
            return quantise(lowering, channels_back(piece) if last else piece, quantiser, name)
        real = single_term(lowering, real, name)
    (term,) = real.terms
    tensor = lowering.graph.tensors[term.tensor]
    if real.is_codes and tensor.format == quantiser.format and all(a == b for a, b in zip(term.factor, step)):
        return real  # already rounded to this grid
    out = _requantised(lowering, tensor, real, quantiser, scale, name)
    shape = real.base
    if real.pool is not None:
        out = lowering.emit(MaxPool, f"{out.name}_pool", [out.name], **pool_fields(real.pool))
        shape = out.shape
    result = Real((Term(out.name, step),), fractions(0, len(step)), shape, real.view)
    note_source(lowering, result, name)
    return result


def _quantise_rows(lowering: Lowering, real: Real, quantiser: Quantiser, scale: Fractions, name: str) -> Real:
    """What a function of whole pixels makes, as codes."""
    assert real.rows is not None
    gain, offset = gain_and_offset(real)
    if quantiser.format.bits > WIDEST or quantiser.boundaries != quantiser.format.boundaries():
        raise Unlowerable(
            f"a softmax or a norm is rounded to {quantiser.format}, in more than {WIDEST} bits or otherwise "
            "than to nearest",
            f"round its result to nearest, in at most {WIDEST} bits and without an odd zero point "
            "(ActivationSymmetric of onnxruntime)",
        )
    (term,) = real.terms
    out = real.rows.emit(lowering, term.tensor, gain / scale, offset / scale, quantiser.format, name)
    step = scale * quantiser.format.unit
    result = Real((Term(out.name, step),), fractions(0, len(step)), real.base, real.view)
    note_source(lowering, result, name)
    return result


def _requantised(
    lowering: Lowering, tensor: Tensor, real: Real, quantiser: Quantiser, scale: Fractions, name: str
) -> Tensor:
    """Codes of a `Real` of one term, by thresholds or by what is cheaper and equal to them."""
    fmt = quantiser.format
    if is_curved(real):
        return requantised(lowering, tensor, real, quantiser, scale, name)
    if not quantiser.boundaries:
        scaling = rounded_scaling(lowering, tensor, real, fmt, scale, name)
        return lowering.emit(Rescale, name, [tensor.name], format=fmt, **vars(scaling))
    thresholds, falling = thresholds_of(tensor, real, quantiser.boundaries, scale)
    found = equal_to_thresholds(tensor, fmt, thresholds, falling, real.terms[0].factor / scale)
    if found is not None:
        return lowering.emit(Rescale, name, [tensor.name], format=fmt, **vars(found))
    return lowering.emit(Threshold, name, [tensor.name], format=fmt, thresholds=thresholds, falling=falling)


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


def _quantise_input(
    lowering: Lowering, real: Real, quantiser: Quantiser, scale: Fractions, name: str
) -> Real:
    """The input of the network as codes; quantisers that round it alike share one stream."""
    _check_input(real, quantiser, scale)
    (term,) = real.terms
    factor, offset = term.factor[0], real.offset[0]
    limits = _limits(quantiser, scale[0] / factor, -offset / factor)
    step = scale[0] * quantiser.format.unit
    key = (term.tensor, quantiser.format, scale[0], limits.tobytes())
    if key not in lowering.input_tensors:
        tensor = Tensor.of(lowering.name(term.tensor), real.base, quantiser.format)
        lowering.graph.tensors[tensor.name] = tensor
        lowering.input_tensors[key] = tensor.name
        order = lowering.input_orders[term.tensor]
        ends = floats(fractions(step / factor)), floats(fractions(-offset / factor))
        port = Port(tensor.name, term.tensor, order.shape, order, *ends, limits)
        lowering.graph.inputs.append(port)
    found = lowering.input_tensors[key]
    term = Term(found, fractions(step, real.channels))
    result = Real((term,), fractions(0, real.channels), real.base, real.view)
    note_source(lowering, result, name)
    return result


def _limits(quantiser: Quantiser, slope: Fraction, offset: Fraction) -> np.ndarray:
    """Smallest float32 from which the input, ``(x - offset) / slope``, reaches each but the first value."""
    if not quantiser.boundaries:
        assert isinstance(quantiser.format, Integer)
        return _wide_limits(quantiser.format, slope, offset)
    found = [
        Boundary(b.position * slope + offset, b.inclusive).smallest(np.float32) for b in quantiser.boundaries
    ]
    return np.array(found, np.float32)


def _wide_limits(fmt: Integer, slope: Fraction, offset: Fraction) -> np.ndarray:
    """As `_limits` for thousands of values, with positions as whole numbers over one denominator."""
    whole = lcm((slope / 2).denominator, offset.denominator)
    step, start = int(slope / 2 * whole), int(offset * whole)
    positions = [(2 * integer + 1) * step + start for integer in range(fmt.low, fmt.high)]
    with np.errstate(over="ignore"):
        near = np.array([position / whole for position in positions]).astype(np.float32)
    if not np.isfinite(near).all():
        raise Unlowerable("its scale is beyond float32", "check the scale of the input")
    significand, exponent = np.frexp(near.astype(np.float64))
    down = np.maximum(24 - exponent, 0)  # powers of two by which both sides are multiplied
    exact = (significand * 2.0**24).astype(np.int64).astype(object) * whole << (exponent - 24 + down).astype(
        object
    )
    wanted = np.array(positions, object) << down.astype(object)
    upper_is_even = (fmt.codes[1:] & 1) == 0
    short = (exact < wanted) | ((exact == wanted) & ~upper_is_even)
    return np.where(short, np.nextafter(near, np.float32(np.inf)), near)


def _check_input(real: Real, quantiser: Quantiser, scale: Fractions) -> None:
    """Refuse an input that is not quantised by one rising function of it for all channels."""
    if any(s != scale[0] for s in scale) or any(not isinstance(f, Affine) for f in real.functions):
        raise Unlowerable(
            "the input is quantised with one scale per channel",
            f"use one scale for the whole input; or {HINT}",
        )
    (term,) = real.terms
    if any(f <= 0 for f in term.factor):
        raise Unlowerable(
            "the input falls before its first quantiser (a factor or scale that is not positive)",
            f"turn the input's sign outside; or {HINT}",
        )
    if any(f != term.factor[0] for f in term.factor) or any(o != real.offset[0] for o in real.offset):
        raise Unlowerable(
            "the input is normalised per channel before its first quantiser",
            f"{HINT}; or normalise the input outside the network",
        )
