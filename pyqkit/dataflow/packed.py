"""Products that share DSPs: what both languages sum before they unpack, and how weights lie in memory."""

from __future__ import annotations

import numpy as np

from pyqkit.formats.products.packed import Packing

CASCADE = 20  # DSPs of a column at most: what Yosys chains, and a column of every board has room for


def column_length(found: Packing, segment: int) -> int:
    """Lanes that are summed in a column of DSPs: the most that divide a segment and that a field holds."""
    most = min(found.sums, CASCADE, segment)
    return max(n for n in range(1, most + 1) if segment % n == 0)


def weight_pairs(found: Packing, integers: np.ndarray) -> np.ndarray:
    """Pairs of weights as numbers of `pair_bits` bits, the first PE's part lowest.

    Parameters
    ----------
    found : Packing
    integers : numpy.ndarray, shape (..., pe, simd)
        Of the weights.

    Returns
    -------
    numpy.ndarray, uint64, shape (..., pe / 2, simd)
    """
    low_bits, high_bits = found.right_bits
    low, high = found.parts(integers[..., ::2, :], integers[..., 1::2, :])
    words = low & ((1 << low_bits) - 1) | (high & ((1 << high_bits) - 1)) << low_bits
    return words.astype(np.uint64)
