"""Concat: pieces of one tensor put together again, or several tensors side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pyqkit.graph.lowering.alignment import under_one_format
from pyqkit.graph.lowering.before_layers import check_quantised
from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.real import Fractions, Real, Term, fractions, plain_view
from pyqkit.graph.lowering.rules import Node, handles
from pyqkit.graph.lowering.session import Lowering, Value, shape_of
from pyqkit.graph.lowering.sums import common_unit, single_term
from pyqkit.graph.lowering.tokens import as_tokens, with_constants
from pyqkit.graph.lowering.view import channels_back, settle, settle_alike
from pyqkit.graph.ops.layout import Concat

_CHANNELS = 2


@handles(
    Layer(
        "Concat",
        ("torch.cat",),
        ("QuantCat",),
        "along channels, rows or columns, also with zeros; scales may differ",
    ),
    attributes=("axis",),
)
def concatenate(lowering: Lowering, node: Node) -> list[Value]:
    shapes = [shape_of(node.needed(i)) for i in range(len(node.inputs))]
    axis = int(node.attributes["axis"]) % len(shapes[0]) - 1
    if axis < 0:
        raise Unlowerable("it joins along the batch", "join along channels, rows or columns")
    if len(shapes[0]) == 3 and axis == 0 and any(map(_is_other_constant, node.inputs)):
        return [_with_tokens(lowering, node)]
    reals = _pieces_together(_with_zeros(node), axis)
    if len(reals) == 1:  # only elements move
        return [reals[0]]
    for real in reals:
        check_quantised(real)
    if not all(real.is_linear for real in reals):
        raise Unlowerable(
            "an operand is not quantised", "put a quantiser (QuantIdentity, QuantReLU) before it"
        )
    if len(shapes[0]) > 4:
        raise Unlowerable(
            f"it joins tensors of {len(shapes[0])} axes", "join tensors of 2 to 4 axes, before a reshape"
        )
    return [_joined(lowering, reals, axis, node.outputs[0])]


def _is_other_constant(value: Value | None) -> bool:
    return isinstance(value, (np.ndarray, Coded)) and bool(np.any(_numbers(value)))


def _with_tokens(lowering: Lowering, node: Node) -> Real:
    """Tokens of one tensor beside constant ones, such as a class token: zeros to which these are added."""
    name = node.outputs[0]
    given = [node.needed(i) for i in range(len(node.inputs))]
    reals = [value for value in given if isinstance(value, Real)]
    if len(reals) != 1 or not reals[0].is_linear:
        raise Unlowerable(
            "constant tokens stand beside more than one tensor, or one that is not quantised",
            "join quantised tensors first, and constants to what comes out",
        )
    real = as_tokens(lowering, reals[0], name)
    views = [real.view if value is reals[0] else np.full(shape_of(value)[1:], -1) for value in given]
    numbers = [0 * real.view if value is reals[0] else _tokens(value) for value in given]
    joined = replace(real, view=np.concatenate(views))
    return with_constants(lowering, joined, np.concatenate(numbers), name)


def _tokens(value: Value) -> np.ndarray:
    """Constant tokens of one frame."""
    assert isinstance(value, (np.ndarray, Coded))
    return value.exact()[0] if isinstance(value, Coded) else value[0]


def _with_zeros(node: Node) -> list[Real]:
    """What is joined, where zeros are the padding of the tensor before them or of the first behind them."""
    given = [node.needed(i) for i in range(len(node.inputs))]
    beside = next(value for value in given if isinstance(value, Real))
    found = []
    for value in given:
        if isinstance(value, Real):
            beside = value
        elif not isinstance(value, (np.ndarray, Coded)) or np.any(_numbers(value)):
            raise Unlowerable(
                "one of its operands is a constant other than zero", "join it behind the accelerator"
            )
        found.append(
            value if isinstance(value, Real) else replace(beside, view=np.full(shape_of(value)[1:], -1))
        )
    return found


def _numbers(value: np.ndarray | Coded) -> np.ndarray:
    return value.values() if isinstance(value, Coded) else value


def _pieces_together(reals: Sequence[Real], axis: int) -> list[Real]:
    """Neighbours that are pieces of one tensor as one."""
    found: list[Real] = []
    for real in reals:
        if found and _is_of_one_tensor(real, found[-1]):
            found[-1] = replace(found[-1], view=np.concatenate([found[-1].view, real.view], axis))
        else:
            found.append(real)
    return found


def _is_of_one_tensor(real: Real, other: Real) -> bool:
    same = real.terms == other.terms and real.offset is other.offset
    same = same and real.rows is other.rows
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
    if sources is None:
        found = _side_by_side(lowering, reals, axis, name)
        return channels_back(found) if last else found
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


def _side_by_side(lowering: Lowering, reals: Sequence[Real], axis: int, name: str) -> Real:
    """Tensors whose scales have no simple ratio: a sum, in which each has zeros where the others are."""
    places = np.cumsum([0, *(real.shape[axis] for real in reals)])
    terms: list[Term] = []
    for real, first, last in zip(reals, places, places[1:]):
        widths = [(0, 0)] * len(real.shape)
        widths[axis] = int(first), int(places[-1] - last)
        alone = replace(
            real,
            view=np.pad(real.view, widths, constant_values=-1),
            offset=fractions(0, real.channels),
        )
        settled = settle(lowering, alone, name)
        terms += settled.terms
    return replace(settled, terms=tuple(terms), offset=reals[0].offset)
