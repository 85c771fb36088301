"""Carriers: what engine `exact` holds between operators, a tensor's integers in the narrowest numpy type."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pyqkit.formats import Integer, NumberFormat
from pyqkit.formats.base import MAX_TABLE_BITS
from pyqkit.graph.graph import Tensor, to_integers

KERNEL_TYPES = tuple(np.dtype(t) for t in (np.int8, np.uint8, np.int16, np.int32))
"""What compiled kernels read: they are told the place of an array's type in this list."""
_TABLE = 2**20  # entries of a table by integer; formats of a wider range are searched


def carrier_type(tensor: Tensor) -> np.dtype:
    """Narrowest numpy type for a tensor's integers; codes of a Logarithmic Posit."""
    if tensor.format.is_logarithmic:
        return np.dtype(np.uint8)
    for kind in (np.int8, np.uint8, np.int16, np.int32):
        if np.iinfo(kind).min <= tensor.low and tensor.high <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.int64)


def to_carrier(codes: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Carrier of codes."""
    if tensor.format.is_logarithmic:
        return np.ascontiguousarray(codes, np.uint8)
    return np.ascontiguousarray(to_integers(codes, tensor.format).astype(carrier_type(tensor)))


def write_carriers(codes: np.ndarray, tensor: Tensor, out: np.ndarray) -> None:
    """Carriers of codes into an array of their type."""
    if tensor.format.is_logarithmic or tensor.format.bits > MAX_TABLE_BITS:
        out[...] = to_carrier(codes, tensor)
    else:
        _integers(tensor.format, out.dtype).take(codes, out=out, mode="clip")


@lru_cache(maxsize=256)
def _integers(fmt: NumberFormat, kind: np.dtype) -> np.ndarray:
    """By code; those of codes that do not occur may not fit the type."""
    return fmt.integers.astype(kind)


def from_carrier(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Codes of a carrier, in an array of their own."""
    fmt = tensor.format
    if fmt.is_logarithmic:
        return values.copy()
    table = codes_by_integer(fmt)
    if table is not None:
        return table[values]
    if isinstance(fmt, Integer):
        return fmt.from_integers(values)
    ordered = fmt.integers[fmt.codes]
    return fmt.codes[np.searchsorted(ordered, values)]


def integers_of(values: np.ndarray, fmt: NumberFormat) -> np.ndarray:
    """Integers of a carrier, as operators other than multipliers read them."""
    return fmt.integers[values] if fmt.is_logarithmic else values


@lru_cache(maxsize=256)
def codes_by_integer(fmt: NumberFormat) -> np.ndarray | None:
    """Codes by their integer, negative ones from the end; None for a format of too wide a range.

    An integer between them that has no code has that of the smallest.
    """
    if fmt.bits > MAX_TABLE_BITS:
        return None
    integers = fmt.integers[fmt.codes]
    low, high = min(int(integers.min()), 0), max(int(integers.max()), 0)
    if high - low >= _TABLE:
        return None
    table = np.full(high - low + 1, fmt.codes[0], fmt.codes.dtype)
    table[integers.astype(np.int64)] = fmt.codes
    return table
