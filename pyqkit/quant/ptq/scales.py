"""Scales from data: of the largest magnitude, of a percentile, or of the smallest squared error.

The search for the smallest error rounds with the format itself, so it is the same for integers, minifloats
and Logarithmic Posits.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from pyqkit.formats import NumberFormat
from pyqkit.quant.ptq.quantiser import nearest

_SMALLEST = 2.0**-60  # products of two of them are float32 numbers
_OCTAVES_BELOW, _PARTS = 5, 8  # of the search: scales that saturate, steps of an octave


def scales(
    rows: Tensor,
    fmt: NumberFormat,
    how: Literal["max", "percentile", "mse"],
    power_of_two: bool,
    percentile: float = 100.0,
    may_saturate: bool = True,
) -> Tensor:
    """One scale for each row.

    Parameters
    ----------
    rows : Tensor, shape (channels, numbers)
    fmt : NumberFormat
    how : {"max", "percentile", "mse"}
    power_of_two : bool
    percentile : float
        Of magnitudes, in percent.
    may_saturate : bool
        A power of two is the nearest one; otherwise it is rounded up, so that the largest number fits.

    Returns
    -------
    Tensor, shape (channels,), positive
        A row of zeros has the largest scale of the others.
    """
    rows = rows.detach().to(torch.float32)
    found = _found(rows, fmt, how, power_of_two, percentile, may_saturate)
    zero = (rows == 0).all(1)
    return torch.where(zero, 1.0 if bool(zero.all()) else found[~zero].max(), found)


def _found(
    rows: Tensor, fmt: NumberFormat, how: str, power_of_two: bool, percentile: float, may_saturate: bool
) -> Tensor:
    if how == "mse":
        return _least_error(rows, fmt, power_of_two)
    reach, magnitudes = _reach(fmt), rows.abs()
    top = magnitudes.amax(1) if how == "max" else _percentile(magnitudes, percentile)
    found = (top / reach).clamp(min=_SMALLEST)
    return _as_power(found, may_saturate) if power_of_two else found


def _reach(fmt: NumberFormat) -> float:
    """Largest magnitude that is there with both signs, if the format has signs."""
    return fmt.maximum if fmt.minimum >= 0 else min(fmt.maximum, -fmt.minimum)


def _percentile(magnitudes: Tensor, percentile: float) -> Tensor:
    count = magnitudes.shape[1]
    return magnitudes.kthvalue(max(1, min(count, round(count * percentile / 100))), 1).values


def _as_power(scale: Tensor, nearest_one: bool) -> Tensor:
    exponent = torch.log2(scale)
    return torch.exp2(torch.round(exponent) if nearest_one else torch.ceil(exponent))


def _least_error(rows: Tensor, fmt: NumberFormat, power_of_two: bool) -> Tensor:
    """Octaves first, then eighths of an octave around the best, and the scale that just holds the largest.

    Above that one lie scales that use only smaller values of the format: where these stand closer together,
    as in Logarithmic Posits, they may be better.
    """
    largest = (rows.abs().amax(1) / _reach(fmt)).clamp(min=_SMALLEST)
    start = _as_power(largest, False)
    positive = fmt.values[fmt.values > 0]
    above = math.ceil(math.log2(positive[-1] / positive[0])) // 2 + 1
    octaves = sorted(range(-_OCTAVES_BELOW, above + 1), key=abs)  # of equal errors the one nearest to `start`
    best = _best(rows, fmt, [start * 2.0**octave for octave in octaves])
    if power_of_two:
        return best
    parts = sorted(range(1 - _PARTS, _PARTS), key=abs)
    return _best(rows, fmt, [*(best * 2.0 ** (part / _PARTS) for part in parts), largest])


def _best(rows: Tensor, fmt: NumberFormat, candidates: list[Tensor]) -> Tensor:
    """The candidate with the smallest squared error, for each row."""
    rounded, found = nearest(fmt), candidates[0]
    least = torch.full((len(rows),), torch.inf, dtype=torch.float64)
    for candidate in candidates:
        scale = candidate.clamp(min=_SMALLEST)[:, None]
        error = (rounded(rows / scale) * scale - rows).double().square().sum(1)
        found = torch.where(error < least, scale[:, 0], found)
        least = torch.minimum(error, least)
    return found
