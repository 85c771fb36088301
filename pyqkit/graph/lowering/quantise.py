"""Quantisers: a `Real` to codes, through thresholds computed in rational arithmetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyqkit.formats import Boundary, Integer
from pyqkit.graph.graph import Port, Tensor
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.quantiser import Quantiser
from pyqkit.graph.lowering.real import Affine, Fractions, Real, Term, floats, fractions
from pyqkit.graph.lowering.rescale import equal_to_thresholds, rounded_scaling
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.lowering.sums import single_term
from pyqkit.graph.lowering.thresholds import thresholds_of
from pyqkit.graph.lowering.view import is_piece, note_source, settle
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
    if real.pool is None:
        if is_piece(real):  # only what is left is rounded
            return quantise(lowering, settle(lowering, real, name), quantiser, name)
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


def _requantised(
    lowering: Lowering, tensor: Tensor, real: Real, quantiser: Quantiser, scale: Fractions, name: str
) -> Tensor:
    """Codes of a `Real` of one term, by thresholds or by what is cheaper and equal to them."""
    fmt = quantiser.format
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
    limits = [
        Boundary((b.position * scale[0] - offset) / factor, b.inclusive).smallest(np.float32)
        for b in quantiser.boundaries
    ]
    step = scale[0] * quantiser.format.unit
    key = (term.tensor, quantiser.format, scale[0], tuple(limits))
    if key not in lowering.input_tensors:
        tensor = Tensor.of(lowering.name(term.tensor), real.base, quantiser.format)
        lowering.graph.tensors[tensor.name] = tensor
        lowering.input_tensors[key] = tensor.name
        onnx_shape = lowering.input_shapes[term.tensor]
        order = plain_order(onnx_shape, real.base)
        ends = floats(fractions(step / factor)), floats(fractions(-offset / factor))
        port = Port(tensor.name, term.tensor, onnx_shape, order, *ends, np.array(limits, np.float32))
        lowering.graph.inputs.append(port)
    found = lowering.input_tensors[key]
    term = Term(found, fractions(step, real.channels))
    result = Real((term,), fractions(0, real.channels), real.base, real.view)
    note_source(lowering, result, name)
    return result


def _check_input(real: Real, quantiser: Quantiser, scale: Fractions) -> None:
    """Refuse an input that is not quantised by one rising function of it for all channels."""
    if any(s != scale[0] for s in scale) or any(not isinstance(f, Affine) for f in real.functions):
        raise Unlowerable(
            "the input is quantised with one scale per channel", "use one scale for the whole input"
        )
    (term,) = real.terms
    if any(f <= 0 for f in term.factor):
        raise Unlowerable(
            "the input falls before its first quantiser (a factor or scale that is not positive)",
            "turn the input's sign outside",
        )
    if any(f != term.factor[0] for f in term.factor) or any(o != real.offset[0] for o in real.offset):
        raise Unlowerable(
            "the input is normalised per channel before its first quantiser",
            "normalise the input outside the network",
        )
    if not quantiser.boundaries:
        raise Unlowerable(
            f"the input is quantised to {quantiser.format}", "quantise the input to at most 8 bits"
        )


def plain_order(onnx_shape: tuple[int, ...], base: tuple[int, int, int]) -> np.ndarray:
    """Where each element of an ONNX input stands in the flattened (height, width, channels)."""
    if len(onnx_shape) == 1:
        return np.arange(onnx_shape[0])
    return np.arange(int(np.prod(base))).reshape(base).transpose(2, 0, 1).reshape(onnx_shape)
