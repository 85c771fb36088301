"""Tensors of several scales or formats under one: exact multiples in an integer format that holds them all.

Nothing is rounded. Channels of different scales are multiplied by whole numbers, which are 1 or powers of two
where the scales are powers of two; codes of different formats move to the smallest format that has all their
integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pyqkit.formats import Integer, NumberFormat
from pyqkit.graph.graph import Tensor
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.real import Fractions, Real, Term, fractions
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.lowering.sums import common_unit
from pyqkit.graph.ops.requantise import Rescale, Threshold

MOST_BITS = 16  # of a format that holds several scales, as of a quantiser


def under_one_format(lowering: Lowering, tensors: Sequence[str], name: str) -> list[str]:
    """Tensors of the same integers as the given ones, all in the smallest format that has them."""
    found = [lowering.graph.tensors[tensor] for tensor in tensors]
    fmt = _smallest_format(found)
    return [_in_format(lowering, tensor, fmt, name) for tensor in found]


def _smallest_format(tensors: Sequence[Tensor]) -> NumberFormat:
    """One of their own, or an integer format: the one of fewest bits, their own first."""
    own = dict.fromkeys(tensor.format for tensor in tensors)
    low, high = min(t.low for t in tensors), max(t.high for t in tensors)
    holding = [fmt for fmt in own if all(_holds(fmt, tensor) for tensor in tensors)]
    return min([*holding, Integer.for_range(low, high)], key=lambda fmt: fmt.bits)


def _holds(fmt: NumberFormat, tensor: Tensor) -> bool:
    """Whether every integer that a tensor can be is one of a format."""
    if fmt == tensor.format:
        return True
    if isinstance(fmt, Integer):
        return fmt.low <= tensor.low and tensor.high <= fmt.high
    if isinstance(tensor.format, Integer):
        if tensor.high - tensor.low >= 2**MOST_BITS:
            return False
        reached = np.arange(tensor.low, tensor.high + 1)
    else:
        reached = tensor.format.integers[tensor.format.codes]
        reached = reached[(tensor.low <= reached) & (reached <= tensor.high)]
    return bool(np.isin(reached, fmt.integers[fmt.codes]).all())


def _in_format(lowering: Lowering, tensor: Tensor, fmt: NumberFormat, name: str) -> str:
    """The same integers in a format that has them."""
    if tensor.format == fmt:
        return tensor.name
    stem, channels = f"{lowering.stem(name)}_widened", tensor.shape[2]
    if isinstance(fmt, Integer):
        return _multiplied(lowering, tensor, fmt, np.ones(channels, np.int64), stem)
    steps = np.tile(fmt.integers[fmt.codes[1:]].astype(np.int64), (channels, 1))
    falling = np.zeros(channels, bool)
    made = lowering.emit(Threshold, stem, [tensor.name], format=fmt, thresholds=steps, falling=falling)
    return made.name


def under_one_scale(lowering: Lowering, real: Real, groups: int, name: str) -> Real:
    """Codes whose channels have one scale, or one in each of equal groups, of whatever scales they have now.

    Raises
    ------
    Unlowerable
        If the scales have no simple ratio.
    """
    (term,) = real.terms
    if real.channels % groups:  # the operator refuses it
        return real
    rows = term.factor.reshape(groups, -1)
    if all(factor == row[0] for row in rows for factor in row):
        return real
    units = np.array([common_unit(list(row)) for row in rows], object)
    return multiples(lowering, real, fractions(np.repeat(units, rows.shape[1])), name)


def multiples(lowering: Lowering, real: Real, units: Fractions, name: str) -> Real:
    """Codes whose channels have the scales `units`, of which the scales now are whole multiples."""
    (term,) = real.terms
    if all(a == b for a, b in zip(term.factor, units)):
        return real
    tensor = lowering.graph.tensors[term.tensor]
    multiplier = [factor / unit for factor, unit in zip(term.factor, units)]
    ends = [int(m * end) for m in {*multiplier} for end in (tensor.low, tensor.high)]
    fmt = Integer.for_range(min(ends), max(ends))
    if tensor.format.is_logarithmic or fmt.bits > MOST_BITS:
        raise Unlowerable(
            f"what it reads has channels of different scales ({_scales(term.factor)}), which are no "
            f"multiples of one in {MOST_BITS} bits",
            "share one quantiser between what is joined, or take powers of two as scales",
        )
    by = np.array([int(m) for m in multiplier], np.int64)
    made = _multiplied(lowering, tensor, fmt, by, f"{lowering.stem(name)}_aligned")
    return replace(real, terms=(Term(made, units),))


def _multiplied(lowering: Lowering, tensor: Tensor, fmt: Integer, by: np.ndarray, stem: str) -> str:
    made = lowering.emit(
        Rescale, stem, [tensor.name], format=fmt, multiplier=by, offset=np.zeros_like(by), shift=0
    )
    return made.name


def _scales(factors: Fractions) -> str:
    return " and ".join(
        f"{float(f):g}" for f in sorted(set(factors), key=abs)[:: max(1, len(set(factors)) - 1)]
    )
