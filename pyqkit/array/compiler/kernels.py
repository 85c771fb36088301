"""Weights of convolutions as parts have them, channels of several views as one, terms, multipliers, codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pyqkit.array.compiler.passes import NONE, Codes, Pixels, Stored, Sums, Term, View
from pyqkit.array.compiler.requantise import Rising, rounded
from pyqkit.array.machine import Machine
from pyqkit.graph.ops.convolution import Convolution


def dense(op: Convolution) -> np.ndarray:
    """Weights of all input channels, `NONE` for those of other groups."""
    outputs, height, width, channels = op.weights.shape
    dense = np.full((outputs, height, width, channels * op.groups), NONE)
    for group in range(op.groups):
        rows = slice(group * outputs // op.groups, (group + 1) * outputs // op.groups)
        dense[rows, :, :, group * channels : (group + 1) * channels] = op.weights[rows]
    return dense


def side_by_side(views: list[View]) -> View:
    """Channels of several views, one behind the other."""
    pieces: list[Pixels] = []
    channels = []
    for view in views:
        moved = view.channels.copy()
        moved[:, 0] = np.where(moved[:, 0] == NONE, NONE, moved[:, 0] + len(pieces))
        channels.append(moved)
        pieces += view.pieces
    return View(views[0].size, tuple(pieces), np.concatenate(channels))


def all_alike(values: np.ndarray) -> bool:
    """Whether all channels have the same."""
    return bool((values == values[:1]).all())


def widest(sums: Sums) -> int:
    """The largest multiplier of a term."""
    return max(int(abs(term.multipliers).max()) for term in sums.terms)


def joined(terms: list[Term], stored: Mapping[str, Stored]) -> tuple[Term, ...]:
    """Terms that count alike and have products of one unit as one."""
    found: dict[object, list[Term]] = {}
    for term in terms:
        units = {(stored[part.pixels.tensor].format, part.format) for part in term.parts}
        key = (*term.multipliers, *units) if len(units) == 1 else id(term)
        found.setdefault(key, []).append(term)
    return tuple(
        Term(tuple(part for term in alike for part in term.parts), alike[0].multipliers)
        if len(alike) > 1
        else alike[0]
        for alike in found.values()
    )


def smaller(machine: Machine, sums: Sums, function: Rising) -> tuple[Sums, Codes] | None:
    """A sum of two tensors of codes with smaller multipliers, which all pairs of codes prove."""
    alike = all(all_alike(values) for values in (function.thresholds, function.sign))
    alike = alike and all(all_alike(term.multipliers) for term in sums.terms)
    if not alike or len(sums.terms) != 2 or not all(term.values for term in sums.terms):
        return None
    factors = [int(function.sign[0]) * int(term.multipliers[0]) for term in sums.terms]
    values = [np.array(term.values) for term in sums.terms]
    limits = machine.multiplier_bits, machine.offset_bits
    found = rounded(values, factors, function.thresholds[0], limits)
    if found is None:
        return None
    count = len(function.sign)
    terms = [
        replace(term, multipliers=times_one(count) * factor) for term, factor in zip(sums.terms, found[0])
    ]
    ones, zeros = np.ones(count, np.int64), np.zeros(count, np.int64)
    return replace(sums, terms=tuple(terms)), Codes(ones, zeros, found[1], function.codes)


def times_one(count: int) -> np.ndarray:
    return np.array([1] * count, dtype=object)


def by_integers(integers: np.ndarray, codes: np.ndarray, channels: int) -> Codes:
    """A code for each of a format's integers, which rise."""
    ones, zeros = np.ones(channels, np.int64), np.zeros(channels, np.int64)
    return Codes(ones, zeros, integers[1:].astype(np.int64), codes)
