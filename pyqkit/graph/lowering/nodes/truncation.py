"""Trunc nodes: sums whose lowest bits are dropped, as Brevitas' TruncAvgPool2d drops those of an average.

A Trunc rounds twice. Its input becomes an integer of its first scale, which only mends the error of float32,
and that integer loses its lowest bits in the rounding mode of the node:

    stored = round_half_even(x / scale + zero_point)
    kept   = clip(round_mode(stored / 2**dropped))

QONNX has two versions. The first gives ``(kept - zero_point) * scale`` and clips nothing, the second names
the scale of its output, whose ratio to the first scale is ``2**dropped``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np

from pyqkit.formats import Boundary, Integer
from pyqkit.graph.lowering.before_layers import check_quantised
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.nodes.quantisers import quantised_shape, rounding_of, scale_of, whole_number
from pyqkit.graph.lowering.quantise import quantise
from pyqkit.graph.lowering.quantiser import THRESHOLD_BITS, Quantiser
from pyqkit.graph.lowering.real import Fractions, Real, fractions
from pyqkit.graph.lowering.rules import QONNX, Node, handles
from pyqkit.graph.lowering.session import Lowering, Value
from pyqkit.graph.lowering.sums import single_term

_MOST_DROPPED = 62


@dataclass(frozen=True, eq=False)
class _Truncation:
    """What a Trunc node says.

    Attributes
    ----------
    format : Integer
        Of what it keeps, without a zero point.
    dropped : int
        Bits; negative if the result has more than the input.
    scale, output_scale : numpy.ndarray
        Of the integers that it reads and makes.
    zero_point, output_zero_point : int
        Of the integers that it reads and makes.
    """

    format: Integer
    dropped: int
    scale: np.ndarray
    output_scale: np.ndarray
    zero_point: int
    output_zero_point: int

    def quantiser(self, rounding: str) -> Quantiser:
        """Both roundings as one: where what is kept moves to the next integer."""
        factor = Fraction(2) ** self.dropped
        boundaries = []
        for kept in self.format.boundaries(rounding):
            end = kept.position * factor
            first = ceil(end) if kept.inclusive else floor(end) + 1  # the smallest integer beyond it
            position = (first - Fraction(1, 2) - self.zero_point) / factor
            boundaries.append(Boundary(position, inclusive=first % 2 == 0))
        fmt = Integer(self.format.width, self.format.signed, self.format.narrow, self.output_zero_point)
        return Quantiser(fmt, np.asarray(self.scale, np.float64) * float(factor), tuple(boundaries))


@handles(
    Layer(
        "Trunc",
        brevitas=("TruncAvgPool2d", "TruncAdaptiveAvgPool2d"),
        note="versions 1 and 2 of QONNX, to at most 8 bits",
    ),
    domains=QONNX,
    shape=quantised_shape,
    attributes={"rounding_mode": str, "signed": int, "narrow": int},
)
def truncate(lowering: Lowering, node: Node) -> list[Value]:
    if len(node.inputs) not in (5, 6) or None in [node.given(i) for i in range(1, len(node.inputs))]:
        raise Unlowerable(
            f"it has {len(node.inputs)} inputs instead of the 5 or 6 of QONNX' versions",
            "export the model again",
        )
    rounding = rounding_of(node, "FLOOR")
    real = single_term(lowering, node.real(), node.outputs[0])
    said = _first_version(lowering, node, real) if len(node.inputs) == 5 else _second_version(node)
    if said.format.width > THRESHOLD_BITS:
        raise Unlowerable(f"it keeps {said.format.width} bits", f"truncate to at most {THRESHOLD_BITS} bits")
    quantiser = said.quantiser(rounding)
    made = quantise(lowering, real, quantiser, node.outputs[0])
    ratio = made.per_channel(said.output_scale) / made.per_channel(quantiser.scale)
    return [made.affine(ratio, fractions(0, made.channels))]


def _second_version(node: Node) -> _Truncation:
    scale, output_scale = scale_of(node), scale_of(node, index=4)
    zero_point, bits = whole_number(node, 2, "zero point"), whole_number(node, 5, "output bit width")
    ratio = np.asarray(output_scale, np.float64) / np.asarray(scale, np.float64)
    dropped = np.unique(np.rint(np.log2(ratio, where=ratio > 0, out=np.full(ratio.shape, np.nan))))
    if dropped.size != 1 or not abs(dropped[0]) <= _MOST_DROPPED:
        raise Unlowerable(
            "the ratio of its output scale to its scale is not one power of two for all channels",
            "use scales of the same ratio for all channels",
        )
    output_zero_point = Fraction(zero_point) / Fraction(2) ** int(dropped[0])
    if output_zero_point.denominator != 1:
        raise Unlowerable(
            f"its zero point {zero_point} is no multiple of {2 ** int(dropped[0])}, what it divides by",
            "use the zero point 0",
        )
    signed, narrow = bool(node.attributes.get("signed", 1)), bool(node.attributes.get("narrow", 0))
    fmt = Integer(bits, signed, narrow)
    return _Truncation(fmt, int(dropped[0]), scale, output_scale, zero_point, int(output_zero_point))


def _first_version(lowering: Lowering, node: Node, real: Real) -> _Truncation:
    """Without a word on signs or saturation: the sign is found, and what would saturate is refused."""
    scale, zero_point = scale_of(node), whole_number(node, 2, "zero point")
    bits, kept = (whole_number(node, i, what) for i, what in ((3, "bit width"), (4, "output bit width")))
    if not 1 <= kept <= bits <= _MOST_DROPPED:
        raise Unlowerable(f"it truncates {bits} bits to {kept}", "truncate to fewer bits")
    check_quantised(real)
    if not real.is_linear:
        raise Unlowerable("its input is not quantised", "put a quantiser before it")
    low, high = _reach(lowering, real, real.per_channel(scale))
    fmt = Integer(bits, signed=low + zero_point < 0)
    if not fmt.low - zero_point <= low <= high <= fmt.high - zero_point:
        raise Unlowerable(
            f"its input, of {bits} bits, reaches from {low} to {high} steps, and it does not saturate",
            "state the bit width that its input has, or export with a Trunc of version 2",
        )
    fmt = Integer(kept, fmt.signed)
    return _Truncation(fmt, bits - kept, scale, scale, zero_point, zero_point)


def _reach(lowering: Lowering, real: Real, scale: Fractions) -> tuple[int, int]:
    """Least and largest integer of a scale that a sum can round to."""
    (term,) = real.terms
    tensor = lowering.graph.tensors[term.tensor]
    ends = [
        round((factor * end + offset) / step)
        for factor, offset, step in zip(term.factor, real.offset, scale)
        for end in (tensor.low, tensor.high)
    ]
    return min(ends), max(ends)
