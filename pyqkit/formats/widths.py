"""Widths of integers."""

from __future__ import annotations

import numpy as np


def signed_range_bits(low: int, high: int) -> int:
    """Width of the narrowest signed integer that holds everything from `low` to `high`."""
    return max(max(high, 0).bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1


def signed_bits(values: np.ndarray) -> int:
    """Width of the narrowest signed integer that holds all values."""
    return signed_range_bits(int(values.min()), int(values.max()))
