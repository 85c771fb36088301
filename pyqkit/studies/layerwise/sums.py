"""How wide the exact sums of a layer become, from the codes of its weights."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pyqkit.formats import NumberFormat
from pyqkit.formats.products import LogProduct, product
from pyqkit.formats.widths import signed_range_bits


def code_counts(codes: np.ndarray, bits: int) -> np.ndarray:
    """How often each output of a layer has each code, (outputs, 2**bits).

    Parameters
    ----------
    codes : numpy.ndarray
        Of the weights, outputs first.
    bits : int
        Of a code.
    """
    outputs, size = len(codes), 2**bits
    shifted = codes.reshape(outputs, -1) + size * np.arange(outputs)[:, None]
    return np.bincount(shifted.reshape(-1), minlength=outputs * size).reshape(outputs, size)


def accumulator_bits(counts: np.ndarray, weights: NumberFormat, activations: NumberFormat) -> int:
    """Width of the narrowest integer that holds every sum of products with activations of a format.

    Parameters
    ----------
    counts : numpy.ndarray
        Of the codes of the weights, by `code_counts`.
    weights, activations : NumberFormat
        With `prescale` 1. Activations may take every code of their format.
    """
    low, high = (_largest_sum(counts, ends) for ends in _extremes(activations, weights))
    return signed_range_bits(-low, high)


def _largest_sum(counts: np.ndarray, products: tuple[int, ...]) -> int:
    """Largest sum over outputs of counts times products; the outputs that come near are added up exactly."""
    near = counts @ np.array(products, float)
    rows = np.flatnonzero(near >= near.max() * (1 - 1e-9))
    return max(sum(int(n) * p for n, p in zip(counts[row], products) if n) for row in rows)


@lru_cache(maxsize=4096)
def _extremes(activations: NumberFormat, weights: NumberFormat) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How far below and above zero the products with each code of a weight reach.

    Products are monotone in the activation for either sign of it, so the ends of the format have them.
    """
    pair = product(activations, weights)
    ends = [int(activations.codes[0]), int(activations.codes[-1])]
    every = range(2**weights.bits)
    if isinstance(pair, LogProduct):  # its table of all products takes long, and two rows are enough
        found = [[_log_product(pair, end, code) for end in ends] for code in every]
    else:
        found = pair.of(np.array(ends), np.arange(len(every))[:, None]).tolist()
    return tuple(max(0, *(-p for p in row)) for row in found), tuple(max(0, *row) for row in found)


def _log_product(pair: LogProduct, left: int, right: int) -> int:
    one, other = pair.sides
    if one.zero[left] or other.zero[right]:
        return 0
    sign = one.sign(left) * other.sign(right)
    return sign * pair.magnitude(int(one.offset[left] + other.offset[right]))
