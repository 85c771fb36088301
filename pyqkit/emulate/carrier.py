"""Carriers: what engine `exact` holds between operators, a tensor's integers in the narrowest numpy type."""

from __future__ import annotations

import numpy as np

from pyqkit.formats import Integer, NumberFormat
from pyqkit.graph.graph import Tensor, to_integers


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


def from_carrier(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Codes of a carrier."""
    fmt = tensor.format
    if fmt.is_logarithmic:
        return values
    if isinstance(fmt, Integer):
        return fmt.from_integers(values)
    ordered = fmt.integers[fmt.codes]
    return fmt.codes[np.searchsorted(ordered, values)]


def integers_of(values: np.ndarray, fmt: NumberFormat) -> np.ndarray:
    """Integers of a carrier, as operators other than multipliers read them."""
    return fmt.integers[values] if fmt.is_logarithmic else values
