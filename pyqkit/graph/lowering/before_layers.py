"""What stands between a quantised tensor and a layer: a factor and an offset that no quantiser absorbs.

A normalisation of the input, a batch norm or a bias in front of a convolution or linear layer. Without zero
padding the offset becomes one of the outputs. With it the integers have to hold the offset, or the layer
works on a tensor of ones beside its input.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyqkit.formats import Integer
from pyqkit.graph.input_format import HINT
from pyqkit.graph.lowering.alignment import MOST_BITS
from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.real import Fractions, Real, Term, fractions
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.lowering.sums import common_unit
from pyqkit.graph.ops.requantise import Rescale

_QUANTISER = "put an activation quantiser (QuantIdentity, QuantReLU) before it"


def check_quantised(real: Real) -> None:
    """Refuse the input of the network as long as nobody says what it holds."""
    if real.raw:
        raise Unlowerable("the network's input reaches it unquantised", f"{HINT}; or {_QUANTISER}")


def check_affine(lowering: Lowering, real: Real) -> None:
    """Refuse what is not one tensor times a factor, plus an offset."""
    check_quantised(real)
    if len(real.terms) != 1 or not real.is_linear:
        raise Unlowerable("its input is not quantised", _QUANTISER)
    fmt = lowering.graph.tensors[real.terms[0].tensor].format
    if fmt.is_logarithmic and any(real.offset):  # no code any more, so its products pass no table
        raise Unlowerable(f"something is added to its input, {fmt}", _QUANTISER)


def with_zero_inside(lowering: Lowering, real: Real, name: str) -> Real | None:
    """`real` without an offset, so that a layer can pad it with zeros: as integers of which one is zero.

    None if no narrow integers are in that ratio.
    """
    (term,) = real.terms
    tensor = lowering.graph.tensors[term.tensor]
    unit = common_unit([*term.factor, *real.offset])
    multiplier, offset = ([int(value / unit) for value in values] for values in (term.factor, real.offset))
    ends = [m * end + o for m, o in zip(multiplier, offset) for end in (tensor.low, tensor.high)]
    fmt = Integer.for_range(min(ends), max(ends))
    if fmt.bits > MOST_BITS:
        return None
    parameters = {"multiplier": np.array(multiplier, np.int64), "offset": np.array(offset, np.int64)}
    stem = f"{lowering.stem(name)}_centred"
    out = lowering.emit(Rescale, stem, [tensor.name], format=fmt, **parameters, shift=0)
    units = fractions(unit, real.channels)
    return replace(real, terms=(Term(out.name, units),), offset=fractions(0, real.channels))


def offset_apart(lowering: Lowering, real: Real, name: str) -> tuple[Real, Real]:
    """`real` without its offset, and the offset as a factor of a tensor of ones.

    What a layer makes of both adds up to what it makes of `real`, also where it pads with zeros.
    """
    (term,) = real.terms
    none, one = np.zeros(real.channels, np.int64), np.ones(real.channels, np.int64)
    stem = f"{lowering.stem(name)}_ones"
    ones = lowering.emit(
        Rescale, stem, [term.tensor], format=Integer(1, signed=False), multiplier=none, offset=one, shift=0
    )
    note = (
        f"{lowering.stem(name)}: a constant is added to its input, which it pads with zeros, so that it runs "
        "on the constant too; quantise behind the normalisation (QuantIdentity) to avoid this"
    )
    if note not in lowering.graph.notes:
        lowering.note(note)
    plain = replace(real, offset=fractions(0, real.channels))
    return plain, replace(plain, terms=(Term(ones.name, real.offset),))


def constant_part(real: Real, weights: Coded, codes: np.ndarray, shifts: np.ndarray | None) -> Fractions:
    """What the offset of `real` adds to each output of a layer without padding.

    `codes` and `shifts` are those of `weights` in the order of the stream, (outputs, rows, columns, channels
    of a group).
    """
    outputs, channels = len(codes), codes.shape[3]
    integers = weights.format.integers[codes].astype(object)
    if shifts is not None:
        integers = integers << shifts.astype(object)
    sums = integers.sum(axis=(1, 2))
    groups = real.offset.reshape(-1, channels)
    own = np.repeat(groups, outputs // len(groups), axis=0)
    return (sums * own).sum(axis=1) * weights.format.unit
