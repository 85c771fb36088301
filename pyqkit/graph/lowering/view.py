"""Views.

ONNX nodes that only move elements act on an index array; what it amounts to is emitted when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pyqkit.graph.graph import Operator
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.functions import Affine, Curve, Fractions, Function, Leaky
from pyqkit.graph.lowering.image_moves import Move, image_moves
from pyqkit.graph.lowering.real import Real, Term, plain_view
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.lowering.zero import with_zero
from pyqkit.graph.ops.layout import Concat, Pad, Reshape

_REMEDY = "keep to channel permutations, strided slices, zero padding and flattening"
_CHANNEL_PIECES = 64  # that a tensor may be cut into: each is a stream of its own
_PIXEL_PIECES = 4  # along rows or columns, where most of them wait for the others


def is_plain(real: Real) -> bool:
    """Whether the ONNX tensor is the tensor behind it, in the usual order: channels first."""
    base = real.pooled or real.base
    image = _image(real.view)
    return (
        image is not None and image.shape == (base[2], *base[:2]) and np.array_equal(image, plain_view(base))
    )


def is_in_stream_order(real: Real) -> bool:
    """Whether the ONNX tensor is the tensor behind it element by element, as where channels are last."""
    return real.view.size == np.prod(real.base) and np.array_equal(
        real.view.ravel(), np.arange(real.view.size)
    )


def _image(view: np.ndarray) -> np.ndarray | None:
    """A vector or a row as an image (channels, height, width); None if there are more axes than that."""
    if view.ndim > 3:
        return None
    return view.reshape(view.shape[0], *(1,) * (3 - view.ndim), *view.shape[1:])


def _has_channels_last(real: Real) -> bool:
    """Whether its last axis and not its first are channels, all or some, of the tensor behind it."""
    if real.view.ndim < 2 or is_plain(real):
        return False
    if real.shape[-1] == real.channels and is_in_stream_order(real):
        return True
    return _is_of_channels(real, -1) and not _is_of_channels(real, 0)


def _is_of_channels(real: Real, axis: int) -> bool:
    """Whether each place of an axis holds one channel of the tensor behind it, besides zeros."""
    planes = np.moveaxis(real.view, axis, 0).reshape(real.shape[axis], -1)
    channels = np.where(planes < 0, -1, planes % real.channels)
    return bool(((channels == channels.max(axis=1, keepdims=True)) | (planes < 0)).all())


def is_piece(real: Real) -> bool:
    """Whether it is a part of the tensor behind it that a slice and a permutation take out."""
    image = _image(np.moveaxis(real.view, -1, 0) if _has_channels_last(real) else real.view)
    if image is None or image.size >= np.prod(real.base):
        return False
    moves = image_moves(image, real.base)
    return moves is not None and moves.picks


def note_source(lowering: Lowering, real: Real, name: str) -> None:
    """Remember which ONNX tensor a quantised tensor is, if it is one, so that both can be compared."""
    (term,) = real.terms
    plain, graph = is_plain(real), lowering.graph
    if plain or (real.shape[-1] == real.channels and is_in_stream_order(real)):
        graph.sources.setdefault(term.tensor, name)
        if not plain and graph.sources[term.tensor] == name:
            graph.channels_last.append(term.tensor)


def settle(lowering: Lowering, real: Real, name: str) -> Real:
    """`real` with a plain view, after emitting the moves that its own view amounts to."""
    if is_plain(real):
        return real
    if real.pool is not None or real.raw or real.rows is not None:
        raise Unlowerable("elements are moved before they are quantised", "quantise first")
    image = _image(real.view)
    if image is None:
        raise Unlowerable(
            f"a tensor of {real.view.ndim + 1} axes is used as an image",
            "give it 4 axes: batch, channels, height, width",
        )
    found = _settle_image(lowering, replace(real, view=image), name)
    return replace(found, view=found.view.reshape(real.shape))


def settle_alike(lowering: Lowering, reals: Sequence[Real], name: str) -> tuple[list[Real], bool]:
    """Several tensors of one layout, settled, and whether that has channels last.

    Then the axes of their views are turned, so that channels are first: `channels_back` turns what is made of
    them.
    """
    last = any(_has_channels_last(real) for real in reals)
    if last:
        reals = [replace(real, view=np.moveaxis(real.view, -1, 0)) for real in reals]
    return [settle(lowering, real, name) for real in reals], last


def channels_back(real: Real) -> Real:
    """A tensor whose channels are first with its channels last."""
    return replace(real, view=np.moveaxis(real.view, 0, -1))


def rearranged(lowering: Lowering, real: Real, how: Callable[[np.ndarray], np.ndarray], name: str) -> Real:
    """`real` with its elements moved by a function of the whole ONNX tensor, batch axis included.

    What its view amounts to is emitted before, if only then operators can do the rest.
    """
    moved = replace(real, view=how(real.view[None])[0])
    given, wanted = _image(real.view), _image(moved.view)
    if real.pool is not None or real.raw or real.rows is not None or is_plain(real):
        return moved
    if given is None or wanted is None:
        return moved
    if image_moves(wanted, real.base) is None and image_moves(given, real.base) is not None:
        real = settle(lowering, real, name)
    return replace(real, view=how(real.view[None])[0])


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


def _settle_image(lowering: Lowering, real: Real, name: str) -> Real:
    view = real.view
    base = view.shape[1], view.shape[2], view.shape[0]
    flat = view.transpose(1, 2, 0).ravel()
    if flat.size == np.prod(real.base) and np.array_equal(flat, np.arange(flat.size)):
        channels = np.arange(flat.size) % real.channels if base[:2] == (1, 1) else None
        channels = np.arange(base[2]) if base[2] == real.channels else channels
        return _apply(lowering, real, [(Reshape, {"shape": base})], channels, base, name)
    if (view < 0).all():
        raise Unlowerable("a tensor of zeros only is used", _REMEDY)
    moves = image_moves(view, real.base)
    if moves is not None:
        if moves.pads and (any(real.offset) or real.functions):
            raise Unlowerable("an unquantised tensor is padded with zeros", "quantise before the padding")
        return _apply(lowering, real, moves.operators, moves.sources, base, name)
    if base[:2] == (1, 1) and (view < 0).any():
        raise Unlowerable("a padded tensor is flattened", _REMEDY)
    return _settle_pieces(lowering, real, name)


def _settle_pieces(lowering: Lowering, real: Real, name: str) -> Real:
    """Boxes of one tensor side by side: each taken for itself, then joined.

    Channels that take the same pixels are a box together, in whatever order they stand (space to depth); if
    there are others, boxes lie one below or beside the other (a rolled image).
    """
    view, (_, width, channels) = real.view, real.base
    _refuse_backwards(view, real.base)
    pixels = np.where(view >= 0, view // channels, -1)
    groups = _alike(pixels.reshape(len(pixels), -1))
    if 1 < len(groups) <= _CHANNEL_PIECES and all(
        image_moves(view[group], real.base) is not None for group in groups
    ):
        joined = _joined(lowering, real, [view[group] for group in groups], 2, name)
        order = np.argsort(np.concatenate(groups))
        return settle(lowering, replace(joined, view=joined.view[order]), name)
    for axis, stride in ((1, width), (2, 1)):
        planes = np.moveaxis(view, axis, 0)
        runs = _runs(planes, stride * channels)
        if 1 < len(runs) <= _PIXEL_PIECES:
            pieces = [np.moveaxis(planes[run], 0, axis) for run in runs]
            return _joined(lowering, real, pieces, axis - 1, name)
    raise Unlowerable("it moves elements in a way that no operator does", _REMEDY)


def _refuse_backwards(view: np.ndarray, base: tuple[int, int, int]) -> None:
    _, width, channels = base
    rows, columns = view[0, :, 0] // (width * channels), view[0, 0] // channels % width
    for what, places in (("rows", rows), ("columns", columns)):
        if len(places) > 1 and (np.diff(places) < 0).all() and (view >= 0).all():
            raise Unlowerable(
                f"it takes {what} backwards, and streams go forward",
                "flip the image outside the network, or the weights that read it",
            )


def _alike(rows: np.ndarray) -> list[np.ndarray]:
    """Numbers of the rows that are equal, a list for each kind, in the order of their first."""
    found: dict[bytes, list[int]] = {}
    for index, row in enumerate(rows):
        found.setdefault(row.tobytes(), []).append(index)
    return [np.array(numbers) for numbers in found.values()]


def _runs(planes: np.ndarray, stride: int) -> list[slice]:
    """Planes that follow one another at an even distance forward, all else alike; each run is a slice."""
    runs, start, distance = [], 0, 0
    for place in range(1, len(planes) + 1):
        if place < len(planes) and (planes[place - 1 : place + 1] >= 0).all():
            difference = planes[place] - planes[place - 1]
            step = int(difference.flat[0])
            even = (difference == step).all() and step > 0 and step % stride == 0
            if even and distance in (0, step):
                distance = step
                continue
        runs.append(slice(start, place))
        start, distance = place, 0
    return runs


def _joined(lowering: Lowering, real: Real, views: list[np.ndarray], axis: int, name: str) -> Real:
    """Pieces of one tensor, joined along rows (0), columns (1) or channels (2)."""
    pieces = [settle(lowering, replace(real, view=view), name) for view in views]
    terms = []
    for index in range(len(real.terms)):
        parts = [piece.terms[index] for piece in pieces]
        out = lowering.emit(
            Concat, f"{lowering.stem(name)}_joined", [part.tensor for part in parts], axis=axis
        )
        factor = np.concatenate([part.factor for part in parts]) if axis == 2 else parts[0].factor
        terms.append(Term(out.name, factor))
    offset = np.concatenate([piece.offset for piece in pieces]) if axis == 2 else pieces[0].offset
    return replace(real, terms=tuple(terms), offset=offset, base=out.shape, view=plain_view(out.shape))


def _apply(
    lowering: Lowering,
    real: Real,
    moves: list[Move],
    sources: np.ndarray | None,
    base: tuple[int, int, int],
    name: str,
) -> Real:
    """Run every term through the operators.

    `sources` says which old channels each new one comes from: one, or one in each of several ways.
    """
    terms = []
    for term in real.terms:
        source = term.tensor
        for kind, parameters in moves:
            source = with_zero(lowering, source, name) if kind is Pad else source
            source = _emitted(lowering, source, kind, parameters, name)
        terms.append(Term(source, _pick(term.factor, sources, base[2])))
    functions = real.functions
    if sources is not None:
        functions = tuple(_of_channels(function, sources, base[2]) for function in functions)
    offset = _pick(real.offset, sources, base[2])
    return replace(
        real, terms=tuple(terms), offset=offset, base=base, view=plain_view(base), functions=functions
    )


def _emitted(
    lowering: Lowering, source: str, kind: type[Operator], parameters: dict[str, Any], name: str
) -> str:
    """The tensor behind an operator that only moves; several who want it moved alike share one."""
    key = source, kind, repr(parameters)
    if key not in lowering.moved:
        wanted = f"{lowering.stem(name)}_{kind.kind}"
        lowering.moved[key] = lowering.emit(kind, wanted, [source], **parameters).name
    return lowering.moved[key]


def _of_channels(function: Function, sources: np.ndarray, count: int) -> Function:
    """A function of other channels."""
    if function.uniform:
        return function
    if isinstance(function, Affine):
        return Affine(_pick(function.factor, sources, count), _pick(function.offset, sources, count))
    if isinstance(function, Leaky):
        return Leaky(_pick(function.slope, sources, count))
    old = np.atleast_2d(sources)
    if isinstance(function, Curve) and (old == old[:1]).all():
        forward, channels = function.forward, np.broadcast_to(old[0], (count,))
        return Curve(lambda x, c: forward(x, int(channels[c])), uniform=False, increasing=function.increasing)
    raise Unlowerable(
        "channels are moved after an unquantised per-channel function", "quantise before moving channels"
    )


def _pick(values: Fractions, sources: np.ndarray | None, count: int) -> Fractions:
    """Values of the new channels; without `sources` each may come from any of the old ones."""
    held = values[np.arange(len(values))[:, None] if sources is None else np.atleast_2d(sources)]
    if (held != held[:1]).any():
        raise Unlowerable(
            "a tensor with one scale per channel is reshaped", "use one scale for the whole tensor"
        )
    return np.array(np.broadcast_to(held[0], (count,)))
