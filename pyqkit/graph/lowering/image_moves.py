"""What an index array over an image amounts to: the operators that move its pixels and channels so.

Five shapes of a move are known, whichever nodes of ONNX it was written with: pixels that are picked or come
several times, the same with pixels in rows of another length (tokens of an image), channels that become
pixels (depth to space), pixels that become channels (space to depth), and zeros around any of these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.layout import Pad, Permute, Reshape, Slice
from pyqkit.graph.ops.resize import Resize
from pyqkit.graph.ops.transpose import Transpose

Move = tuple[type[Operator], dict[str, Any]]  # an operator and its parameters
Shape = tuple[int, int, int]  # height, width, channels
REGISTERS = 512  # channels of a pixel that are put in another order in registers; more go through a memory


@dataclass(frozen=True, eq=False)
class Moves:
    """Operators, and where channels come from.

    Attributes
    ----------
    operators : list of Move
    sources : numpy.ndarray of int, shape (ways, channels of the result)
        Channel of the input that each channel of the result holds; several where pixels are made in several
        ways.
    pads : bool
        Whether zeros are put in.
    picks : bool
        Whether pixels and channels are left out, and at most channels put in another order.
    """

    operators: list[Move]
    sources: np.ndarray
    pads: bool = False
    picks: bool = False


@dataclass(frozen=True, eq=False)
class _Places:
    """Row, column and channel of every element, of shape (channels, height, width), in an image `base`."""

    row: np.ndarray
    column: np.ndarray
    channel: np.ndarray
    base: Shape

    @classmethod
    def of(cls, view: np.ndarray, base: Shape) -> _Places:
        _, width, channels = base
        return cls(view // (width * channels), view // channels % width, view % channels, base)

    @property
    def shape(self) -> Shape:
        channels, height, width = self.row.shape
        return height, width, channels

    @property
    def separable(self) -> bool:
        """Whether rows come from rows, and columns from columns."""
        rows, columns = self.row[:1, :, :1], self.column[:1, :1, :]
        return bool((self.row == rows).all() and (self.column == columns).all())


def image_moves(view: np.ndarray, base: Shape) -> Moves | None:
    """Operators that make of an image what an index array says; None where there are none.

    Parameters
    ----------
    view : numpy.ndarray of int, shape (channels, height, width)
        For each element its place in the flattened image, -1 for a zero.
    base : (int, int, int)
        Height, width and channels of the image.
    """
    inside = [np.flatnonzero((view >= 0).any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    if not len(inside[0]):
        return None
    box = view[tuple(slice(places[0], places[-1] + 1) for places in inside)]
    if (box < 0).any():
        return None
    places = _Places.of(box, base)
    found = next(filter(None, (shape(places) for shape in _SHAPES)), None)
    before = [int(places[0]) for places in inside]
    after = [size - int(places[-1]) - 1 for size, places in zip(view.shape, inside)]
    if found is None or not (any(before) or any(after)):
        return found
    channels, *pixels = zip(before, after)
    sides = [tuple(side) for side in zip(*pixels, channels)]  # rows, columns, channels
    padding: Move = Pad, {"before": sides[0], "after": sides[1]}
    # Padded channels hold zeros: any factor will do, and they take a real one.
    return Moves(
        [*found.operators, padding], np.pad(found.sources, ((0, 0), channels), mode="edge"), pads=True
    )


def _picked(places: _Places) -> Moves | None:
    """Rows and columns that are picked or repeated, channels in any order."""
    order = places.channel[:, 0, 0]
    rows, columns = places.row[0, :, 0], places.column[0, 0, :]
    if not (places.separable and (places.channel == order[:, None, None]).all()):
        return None
    if min(np.diff(rows).min(initial=0), np.diff(columns).min(initial=0)) < 0:
        return None
    operators: list[Move] = []
    steps = [set(np.diff(axis).tolist()) or {1} for axis in (rows, columns)]
    if any(len(found) > 1 or 0 in found for found in steps):
        times = [np.bincount(axis, minlength=n).tolist() for axis, n in zip((rows, columns), places.base)]
        operators.append((Resize, {"rows": times[0], "columns": times[1]}))
    elif places.shape[:2] != places.base[:2]:
        start, step = (int(rows[0]), int(columns[0])), (steps[0].pop(), steps[1].pop())
        operators.append((Slice, {"start": start, "step": step, "size": places.shape[:2]}))
    operators += _ordered(order, places.shape[:2], places.base[2])
    return Moves(operators, order[None], picks=all(kind in (Slice, Permute) for kind, _ in operators))


def _in_other_rows(places: _Places) -> Moves | None:
    """The same with all pixels in rows of another length before: tokens of an image, an image of tokens."""
    height, width, channels = places.base
    rows, length, _ = places.shape
    if length == width or rows * length != height * width:
        return None
    pixel, base = places.row * width + places.column, (rows, length, channels)
    found = _picked(_Places(pixel // length, pixel % length, places.channel, base))
    return found and replace(found, operators=[(Reshape, {"shape": base}), *found.operators])


def _to_space(places: _Places) -> Moves | None:
    """Each pixel becomes a block of pixels, of which each holds channels of its own."""
    if not places.separable:
        return None
    row_kinds, column_kinds = _kinds(places.channel, 1), _kinds(places.channel, 2)
    rows = _Blocks.of(places.row[0, :, 0], row_kinds)
    columns = _Blocks.of(places.column[0, 0, :], column_kinds)
    if rows is None or columns is None:
        return None
    firsts = [
        [kinds.tolist().index(kind) for kind in range(max(kinds) + 1)] for kinds in (row_kinds, column_kinds)
    ]
    held = places.channel[:, firsts[0]][:, :, firsts[1]].transpose(1, 2, 0)  # row kind, column kind, channel
    if (places.channel.transpose(1, 2, 0) != held[row_kinds[:, None], column_kinds]).any():
        return None
    held = held[rows.order][:, columns.order]
    (below, beside, channels), size = held.shape, (rows.count, columns.count)
    whole = rows.count * below, columns.count * beside, channels
    operators = _cut((rows.first, columns.first), size, places.base[:2])
    operators += _ordered(held.ravel(), size, places.base[2])
    if below > 1 and columns.count > 1:
        parts = prod(size), below, beside * channels
        operators += [(Reshape, {"shape": parts}), (Transpose, {"rows": columns.count})]
    operators.append((Reshape, {"shape": whole}))
    operators += _cut((rows.skipped, columns.skipped), places.shape[:2], whole[:2])
    return Moves(operators, held.reshape(-1, channels))


def _to_depth(places: _Places) -> Moves | None:
    """Each block of pixels becomes a pixel, with those channels of theirs that are picked."""
    height, width, channels = places.base
    rows = _Strides.of(places.row, height)
    columns = _Strides.of(places.column.transpose(0, 2, 1), width)
    picked = places.channel[:, 0, 0]
    if rows is None or columns is None or (places.channel != picked[:, None, None]).any():
        return None
    (high, wide), size = (rows.step, columns.step), places.shape[:2]
    operators = _cut((rows.first, columns.first), (size[0] * high, size[1] * wide), (height, width))
    if high > 1 and size[1] > 1:
        parts = size[0] * high, size[1], wide * channels
        operators += [(Reshape, {"shape": parts}), (Transpose, {"rows": high})]
    depth = high * wide * channels
    operators.append((Reshape, {"shape": (*size, depth)}))
    order = (rows.offsets * wide + columns.offsets) * channels + picked
    return Moves([*operators, *_ordered(order, size, depth)], picked[None])


_SHAPES: tuple[Callable[[_Places], Moves | None], ...] = (_picked, _to_space, _to_depth, _in_other_rows)


@dataclass(frozen=True)
class _Blocks:
    """Places of one axis that come in blocks, one for each place of the input.

    Attributes
    ----------
    first, count : int
        Places of the input.
    order : list of int
        Kinds of the places of a block.
    skipped : int
        Places of the first block that are missing; more may be missing at the end.
    """

    first: int
    count: int
    order: list[int]
    skipped: int

    @classmethod
    def of(cls, places: np.ndarray, kinds: np.ndarray) -> _Blocks | None:
        steps = np.diff(places)
        if ((steps != 0) & (steps != 1)).any():
            return None
        blocks = [block.tolist() for block in np.split(kinds, np.flatnonzero(steps) + 1)]
        last = blocks[-1]
        order = blocks[1] if len(blocks) > 2 else [*last, *(k for k in blocks[0] if k not in last)]
        skipped = len(order) - len(blocks[0])
        cut = [order] * len(blocks)
        cut[-1] = cut[-1][: len(last) + skipped * (len(blocks) == 1)]
        cut[0] = cut[0][skipped:]
        if len(set(order)) < len(order) or cut != blocks:
            return None
        return cls(int(places[0]), len(blocks), order, skipped)


@dataclass(frozen=True, eq=False)
class _Strides:
    """Places of one axis of which each channel has every `step`-th, from `first` plus its offset on."""

    first: int
    step: int
    offsets: np.ndarray

    @classmethod
    def of(cls, places: np.ndarray, length: int) -> _Strides | None:
        """Of places (channels, this axis, the other one) in an axis of so many."""
        begin, size = places[:, 0, 0], places.shape[1]
        spread = int(begin.max() - begin.min()) + 1
        step = int(places[0, 1, 0] - places[0, 0, 0]) if size > 1 else spread
        if step < spread or (places != begin[:, None, None] + step * np.arange(size)[:, None]).any():
            return None
        first = max(0, min(int(begin.min()), length - step * size))
        offsets = begin - first
        if first + step * size > length or offsets.max() >= step:
            return None
        return cls(first, step, offsets)


def _kinds(channel: np.ndarray, axis: int) -> np.ndarray:
    """A number for each place of an axis, the same for places that hold the same channels."""
    numbers: dict[bytes, int] = {}
    slices = np.ascontiguousarray(np.moveaxis(channel, axis, 0))
    return np.array([numbers.setdefault(each.tobytes(), len(numbers)) for each in slices])


def _cut(start: tuple[int, int], size: tuple[int, int], whole: tuple[int, int]) -> list[Move]:
    """Rows and columns of an image, unless they are all of it."""
    return [] if size == whole else [(Slice, {"start": start, "step": (1, 1), "size": size})]


def _ordered(order: np.ndarray, size: tuple[int, int], channels: int) -> list[Move]:
    """Channels of every pixel in an order.

    Many of them that lie as a matrix with its axes exchanged go through a memory, for registers of them all
    and what chooses among them would be far larger.
    """
    count = len(order)
    if np.array_equal(order, np.arange(channels)):
        return []
    inner = int(order[1] - order[0]) if count == channels > REGISTERS else 0
    if inner > 1 and count % inner == 0:
        matrix = np.arange(count).reshape(-1, inner)
        if np.array_equal(matrix.T.ravel(), order):
            lines = prod(size) * len(matrix), inner, 1
            moved: Move = Transpose, {"rows": len(matrix)}
            return [(Reshape, {"shape": lines}), moved, (Reshape, {"shape": (*size, count)})]
    return [(Permute, {"channels": order.tolist()})]
