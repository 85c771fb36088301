"""Views.

ONNX nodes that only move elements act on an index array; what it amounts to is emitted when it is needed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pyqkit.graph.graph import Operator
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.real import Fractions, Function, Real, Term, plain_view, vector_view
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.ops.layout import Pad, Permute, Reshape, Slice

Move = tuple[type[Operator], dict[str, Any]]  # an operator and its parameters

_REMEDY = "keep to channel permutations, strided slices, zero padding and flattening"


def is_plain(real: Real) -> bool:
    """Whether the ONNX tensor is the tensor behind it, in the usual order."""
    base = real.pooled or real.base
    if real.view.ndim == 3:
        return real.view.shape == (base[2], *base[:2]) and np.array_equal(real.view, plain_view(base))
    return real.view.ndim == 1 and base[:2] == (1, 1) and np.array_equal(real.view, np.arange(base[2]))


def settle(lowering: Lowering, real: Real, name: str) -> Real:
    """`real` with a plain view, after emitting the moves that its own view amounts to."""
    if is_plain(real):
        return real
    if real.pool is not None or real.raw:
        raise Unlowerable("elements are moved before they are quantised", "quantise first")
    if real.view.ndim == 1:
        return _settle_vector(lowering, real, name)
    if real.view.ndim != 3:
        raise Unlowerable(
            f"a tensor of {real.view.ndim + 1} axes is used as an image",
            "give it 4 axes: batch, channels, height, width",
        )
    base = real.view.shape[1], real.view.shape[2], real.view.shape[0]
    flat = real.view.transpose(1, 2, 0).ravel()
    if flat.size == np.prod(real.base) and np.array_equal(flat, np.arange(flat.size)):
        channels = np.arange(base[2]) if base[2] == real.channels else None
        return _apply(lowering, real, [(Reshape, {"shape": base})], channels, base, name)
    return _settle_image(lowering, real, base, name)


def _settle_vector(lowering: Lowering, real: Real, name: str) -> Real:
    features = int(np.prod(real.base))
    flat = flattened(lowering, real, name)
    order = flat.view
    if (order < 0).any():
        raise Unlowerable("a padded tensor is flattened", _REMEDY)
    if np.array_equal(order, np.arange(features)):
        return flat
    channels = [int(i) for i in order]
    return _apply(lowering, flat, [(Permute, {"channels": channels})], order, (1, 1, len(channels)), name)


def flattened(lowering: Lowering, real: Real, name: str) -> Real:
    """The tensors behind `real` as vectors (1, 1, features).

    The view stays, so a linear layer permutes its weights.
    """
    if real.base[:2] == (1, 1):
        return real
    features = int(np.prod(real.base))
    vector = 1, 1, features
    moves: list[Move] = [(Reshape, {"shape": vector})]
    flat = _apply(lowering, real, moves, np.arange(features) % real.channels, vector, name)
    return replace(flat, view=real.view)


def _settle_image(lowering: Lowering, real: Real, base: tuple[int, int, int], name: str) -> Real:
    view = real.view
    inside = np.argwhere(view >= 0)
    if not len(inside):
        raise Unlowerable("a tensor of zeros only is used", _REMEDY)
    first, last = inside.min(axis=0), inside.max(axis=0) + 1
    box = view[tuple(slice(a, b) for a, b in zip(first, last))]
    height, width, channels = real.base
    channel, row, column = box % channels, box // (width * channels), box // channels % width
    rows, columns, order = row[0, :, 0], column[0, 0, :], channel[:, 0, 0]
    separable = (
        (box >= 0).all()
        and (row == rows[None, :, None]).all()
        and (column == columns).all()
        and (channel == order[:, None, None]).all()
    )
    steps = [set(np.diff(axis).tolist()) or {1} for axis in (rows, columns)]
    if not separable or any(len(s) != 1 or min(s) < 1 for s in steps):
        raise Unlowerable("it moves elements in a way that no operator does", _REMEDY)
    moves: list[Move] = []
    size = len(rows), len(columns)
    if size != (height, width):
        start, step = (int(rows[0]), int(columns[0])), (min(steps[0]), min(steps[1]))
        moves.append((Slice, {"start": start, "step": step, "size": size}))
    if not np.array_equal(order, np.arange(channels)):
        moves.append((Permute, {"channels": [int(c) for c in order]}))
    before = int(first[1]), int(first[2]), int(first[0])
    after = tuple(int(size - end) for size, end in zip(base, (last[1], last[2], last[0])))
    if any(before) or any(after):
        if any(real.offset) or real.functions:
            raise Unlowerable("an unquantised tensor is padded with zeros", "quantise before the padding")
        moves.append((Pad, {"before": before, "after": after}))
    full = np.full(base[2], order[0])  # padded channels hold zeros: any factor will do, they take a real one
    full[before[2] : before[2] + len(order)] = order
    return _apply(lowering, real, moves, full, base, name)


def _apply(
    lowering: Lowering,
    real: Real,
    moves: list[Move],
    channels: np.ndarray | None,
    base: tuple[int, int, int],
    name: str,
) -> Real:
    """Run every term through the operators; `channels` says which old channel each new one comes from."""
    terms = []
    for term in real.terms:
        source = term.tensor
        for kind, parameters in moves:
            source = lowering.emit(kind, f"{lowering.stem(name)}_{kind.kind}", [source], **parameters).name
        terms.append(Term(source, _pick(term.factor, channels, base[2])))
    view = plain_view(base) if real.view.ndim == 3 else vector_view(base[2])
    if channels is not None:
        _check_uniform(real.functions)
    offset = _pick(real.offset, channels, base[2])
    return replace(real, terms=tuple(terms), offset=offset, base=base, view=view)


def _check_uniform(functions: tuple[Function, ...]) -> None:
    """Refuse to move channels under a function with values of its own for each channel."""
    if not all(f.uniform for f in functions):
        raise Unlowerable(
            "channels are moved after an unquantised per-channel function", "quantise before moving channels"
        )


def _pick(values: Fractions, channels: np.ndarray | None, count: int) -> Fractions:
    if channels is not None:
        return values[channels]
    if any(v != values[0] for v in values):
        raise Unlowerable(
            "a tensor with one scale per channel is reshaped", "use one scale for the whole tensor"
        )
    return np.repeat(values[:1], count)
