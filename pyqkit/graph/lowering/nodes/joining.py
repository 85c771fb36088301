"""Concat: pieces of one tensor put together again, or several tensors side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pyqkit.graph.lowering.alignment import under_one_format
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.real import Fractions, Real, Term, fractions, plain_view
from pyqkit.graph.lowering.rules import Node, handles
from pyqkit.graph.lowering.session import Lowering, Value
from pyqkit.graph.lowering.sums import common_unit, single_term
from pyqkit.graph.lowering.view import channels_back, settle_alike
from pyqkit.graph.ops.layout import Concat

_CHANNELS = 2


@handles(
    Layer("Concat", ("torch.cat",), ("QuantCat",), "along channels, rows or columns; scales may differ"),
    attributes=("axis",),
)
def concatenate(lowering: Lowering, node: Node) -> list[Value]:
    reals = [node.real(i) for i in range(len(node.inputs))]
    axis = int(node.attributes["axis"]) % (len(reals[0].shape) + 1) - 1
    if axis < 0:
        raise Unlowerable("it joins along the batch", "join along channels, rows or columns")
    first = reals[0]
    if all(_is_of_one_tensor(real, first) for real in reals):  # only elements move
        return [replace(first, view=np.concatenate([r.view for r in reals], axis))]
    if any(real.raw or not real.is_linear for real in reals):
        raise Unlowerable(
            "an operand is not quantised", "put a quantiser (QuantIdentity, QuantReLU) before it"
        )
    if first.view.ndim > 3:
        raise Unlowerable(
            f"it joins tensors of {first.view.ndim + 1} axes", "join tensors of 2 to 4 axes, before a reshape"
        )
    return [_joined(lowering, reals, axis, node.outputs[0])]


def _is_of_one_tensor(real: Real, other: Real) -> bool:
    same = real.terms == other.terms and real.offset is other.offset
    return same and real.functions == other.functions and real.pool == other.pool


def _joined(lowering: Lowering, reals: Sequence[Real], axis: int, name: str) -> Real:
    """Tensors side by side along an axis of their views."""
    count = reals[0].view.ndim
    reals, last = settle_alike(lowering, reals, name)
    if last:
        axis = 0 if axis == count - 1 else axis + 1
    place = _CHANNELS if axis == 0 else axis + 2 - count  # of (height, width, channels)
    reals = [single_term(lowering, real, name) for real in reals]
    terms, offset = [real.terms[0] for real in reals], reals[0].offset
    factor = _scales_of_channels(reals) if place != _CHANNELS else None
    sources = under_one_format(lowering, terms, factor, name)
    out = lowering.emit(Concat, name, sources, axis=place)
    if factor is None:
        factor = np.concatenate([term.factor for term in terms])
        offset = np.concatenate([real.offset for real in reals])
    shape = list(reals[0].shape)
    shape[axis] = sum(real.shape[axis] for real in reals)
    found = Real((Term(out.name, factor),), offset, out.shape, plain_view(out.shape).reshape(shape))
    return channels_back(found) if last else found


def _scales_of_channels(reals: Sequence[Real]) -> Fractions:
    """One scale for each channel that several tensors share: those of the tensors are whole multiples."""
    if any((real.offset != reals[0].offset).any() for real in reals):
        raise Unlowerable(
            "its operands have different offsets, and are joined along rows or columns",
            "quantise them before they are joined",
        )
    factors = zip(*(real.terms[0].factor for real in reals))
    units = [f[0] or 1 if len(set(f)) == 1 else common_unit(list(f)) for f in factors]
    return fractions(np.array(units, object))
