"""Tensors of several scales or formats under one: exact multiples in the smallest format that holds them all.

Nothing is rounded. Tensors that are joined keep their scales, one for each channel: a quantiser behind them
absorbs these. Only what has to add them up needs one scale for all, whose multiples they are: then whole
numbers multiply them where they come from, powers of two where the scales are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

import numpy as np

from pyqkit.formats import Integer, NumberFormat
from pyqkit.graph.graph import Tensor
from pyqkit.graph.lowering.real import Fractions, Real, Term, fractions, plain_view
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.lowering.sums import common_unit
from pyqkit.graph.ops.layout import Concat, Permute
from pyqkit.graph.ops.requantise import Rescale, Threshold

MOST_BITS = 16  # of a format that holds several scales, as of a quantiser
_PARTS = 8  # of a joined tensor that are multiplied where they come from


@dataclass(frozen=True, eq=False)
class _Part:
    """Some channels of a tensor, in a tensor of their own.

    Attributes
    ----------
    tensor : Tensor
    factors : numpy.ndarray of Fraction, shape (channels,)
        What an integer of each channel becomes.
    """

    tensor: Tensor
    factors: Fractions

    @property
    def integers(self) -> np.ndarray | None:
        """Integers that it can hold, in rising order; None for too many to look at."""
        fmt, low, high = self.tensor.format, self.tensor.low, self.tensor.high
        if isinstance(fmt, Integer):
            return np.arange(low, high + 1) if high - low < 2**MOST_BITS else None
        found = fmt.integers[fmt.codes]
        return found[(low <= found) & (found <= high)]

    def ends(self) -> Iterable[Fraction]:
        """The smallest and the largest number of each channel, in any order."""
        return (factor * end for factor in set(self.factors) for end in (self.tensor.low, self.tensor.high))

    def over(self, units: Fractions | Fraction) -> _Part:
        """The part in other units."""
        return replace(self, factors=self.factors / units)


# ---- formats -----------------------------------------------------------------------------------------------


def under_one_format(
    lowering: Lowering, terms: Sequence[Term], units: Fractions | None, name: str
) -> list[str] | None:
    """Tensors of one format, the smallest that holds what the given ones do.

    Parameters
    ----------
    lowering : Lowering
    terms : sequence of Term
    units : numpy.ndarray of Fraction, shape (channels,), or None
        What an integer of each channel shall be worth in all of them; without it, what it is now.
    name : str

    Returns
    -------
    list of str or None
        None if no format is large enough.
    """
    given = [_Part(lowering.graph.tensors[term.tensor], term.factor) for term in terms]
    ones = [replace(part, factors=fractions(1, len(part.factors))) for part in given]
    parts = ones if units is None else [part.over(units) for part in given]
    fmt = _smallest([part.tensor.format for part in parts], parts)
    if any(factor != 1 for part in parts for factor in part.factors) and not _is_usable(fmt, given):
        return None
    moved = [_moved(lowering, part, fmt, name) for part in parts]
    for new, term in zip(moved, terms):
        if units is None and new != term.tensor:
            lowering.widened[new] = term.tensor
    return moved


def _smallest(own: Sequence[NumberFormat], parts: Sequence[_Part]) -> NumberFormat:
    """The format of fewest bits that holds whole numbers: one of their own, or an integer format."""
    ends = [int(end) for part in parts for end in part.ends()]
    holding = [fmt for fmt in own if all(_holds(fmt, part) for part in parts)]
    return min([*holding, Integer.for_range(min(ends), max(ends))], key=lambda fmt: fmt.bits)


def _holds(fmt: NumberFormat, part: _Part) -> bool:
    """Whether every number of a part is an integer of a format, and rises with it."""
    same = all(factor == 1 for factor in part.factors)
    if fmt == part.tensor.format and same:
        return True
    if isinstance(fmt, Integer):
        whole = all(factor.denominator == 1 for factor in part.factors)
        return whole and all(fmt.low <= end <= fmt.high for end in part.ends())
    integers = part.integers
    if integers is None or fmt.is_logarithmic or any(factor <= 0 for factor in part.factors):
        return False
    held = {int(i) for i in fmt.integers[fmt.codes]}
    return all(int(i) * factor in held for factor in set(part.factors) for i in integers)


def _moved(lowering: Lowering, part: _Part, fmt: NumberFormat, name: str) -> str:
    """The numbers of a part in a format that holds them."""
    tensor, factors = part.tensor, part.factors
    if tensor.format == fmt and all(factor == 1 for factor in factors):
        return tensor.name
    stem, source = f"{lowering.stem(name)}_aligned", [tensor.name]
    if isinstance(fmt, Integer):
        by = np.array([int(factor) for factor in factors], np.int64)
        none = np.zeros_like(by)
        return lowering.emit(Rescale, stem, source, format=fmt, multiplier=by, offset=none, shift=0).name
    steps = [int(i) for i in fmt.integers[fmt.codes[1:]]]
    limits = np.array([[ceil(step / factor) for step in steps] for factor in factors], np.int64)
    limits = np.clip(limits, tensor.low, tensor.high + 1)
    falling = np.zeros(len(factors), bool)
    return lowering.emit(Threshold, stem, source, format=fmt, thresholds=limits, falling=falling).name


# ---- scales ------------------------------------------------------------------------------------------------


def under_one_scale(lowering: Lowering, real: Real, groups: int, name: str) -> Real | None:
    """Codes whose channels have one scale, or one in each of equal groups, of whatever scales they have now.

    None if the scales have no simple ratio.
    """
    (term,) = real.terms
    if real.channels % groups:  # the operator refuses it
        return real
    rows = term.factor.reshape(groups, -1)
    if all(factor == row[0] for row in rows for factor in row):
        return real
    parts = _parts(lowering, term)
    units = np.repeat(np.array([common_unit(list(row)) for row in rows], object), rows.shape[1])
    best, scaled = _in_units(parts, fractions(units))
    for part in parts if groups == 1 else ():  # a minifloat may hold what an integer needs more bits for
        fmt, unit = part.tensor.format, part.factors[0]
        over = [other.over(unit or Fraction(1)) for other in parts]
        if unit > 0 and fmt.bits < best.bits and all(_holds(fmt, other) for other in over):
            best, scaled, units = fmt, over, fractions(unit, real.channels)
    if not _is_usable(best, parts):
        return None
    moved = [_moved(lowering, part, best, name) for part in scaled]
    if len(moved) > 1:
        moved = [lowering.emit(Concat, f"{lowering.stem(name)}_joined", moved).name]
    return replace(real, terms=(Term(moved[0], units),))


def of_one_scale(lowering: Lowering, real: Real, name: str) -> list[tuple[Real, np.ndarray]]:
    """Codes of several scales as tensors of one scale each, and which channels each of them holds.

    A layer is the sum of what it makes of each of them. There are none if they would be too many.
    """
    (term,) = real.terms
    found: list[tuple[Real, np.ndarray]] = []
    first = 0
    for part in _parts(lowering, term):
        scales = list(dict.fromkeys(part.factors))
        if len(found) + len(scales) > _PARTS:
            return []
        for scale in scales:
            (chosen,) = np.nonzero(part.factors == scale)
            source = part.tensor
            if len(scales) > 1:
                channels = [int(c) for c in chosen]
                source = lowering.emit(
                    Permute, f"{lowering.stem(name)}_part", [source.name], channels=channels
                )
            terms = (Term(source.name, part.factors[chosen]),)
            level = real.offset[first + chosen]
            found.append((Real(terms, level, source.shape, plain_view(source.shape)), first + chosen))
        first += len(part.factors)
    return found


def _in_units(parts: Sequence[_Part], units: Fractions) -> tuple[NumberFormat, list[_Part]]:
    """Parts of a joined tensor in units of its channels, and the smallest format that holds them."""
    places = np.cumsum([0, *(len(part.factors) for part in parts)])
    scaled = [part.over(units[first:last]) for part, first, last in zip(parts, places, places[1:])]
    return _smallest([part.tensor.format for part in parts], scaled), scaled


def _is_usable(fmt: NumberFormat, parts: Sequence[_Part]) -> bool:
    """Whether a format is narrow enough; multiples of Logarithmic Posits have other products than they."""
    return fmt.bits <= MOST_BITS and not any(part.tensor.format.is_logarithmic for part in parts)


def _parts(lowering: Lowering, term: Term) -> list[_Part]:
    """What a joined tensor is joined from; a tensor that is not is one part."""
    names = _sources(lowering, term.tensor)
    tensors = [lowering.graph.tensors[name] for name in (names if len(names) <= _PARTS else [term.tensor])]
    places = np.cumsum([0, *(tensor.shape[2] for tensor in tensors)])
    return [_Part(t, term.factor[a:b]) for t, a, b in zip(tensors, places, places[1:])]


def _sources(lowering: Lowering, tensor: str) -> list[str]:
    tensor = lowering.widened.get(tensor, tensor)
    producer = lowering.graph.producer(tensor)
    if not isinstance(producer, Concat) or producer.axis != 2:
        return [tensor]
    return [source for name in producer.inputs for source in _sources(lowering, name)]
