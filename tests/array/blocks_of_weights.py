"""Weights in MicroScopiQ's blocks: random ones, and those whose outliers stand where mistakes show."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from pyqkit.formats.microscopiq import BlockWeight, encode, spread_window
from pyqkit.formats.microscopiq.routing import MICRO, MOST, choices


def random_codes(shape: tuple[int, ...], bits: int, seed: int = 0) -> np.ndarray:
    """Codes of weights (outputs, ...) with a few per cent of outliers; blocks lie along outputs."""
    random = np.random.default_rng(seed)
    rows = random.standard_t(3, (int(np.prod(shape[1:])), shape[0])) * np.exp2(random.integers(-3, 1))
    window = spread_window(rows, bits)
    tensor, counts = encode(rows, bits, window=window)
    assert counts.outliers > 0 or min(rows.shape) < 16
    return BlockWeight(bits).of_tensor(tensor, window).T.reshape(shape)


def directed(bits: int, seed: int = 0) -> np.ndarray:
    """Integers of micro-blocks with 0 to 4 outliers at all places, neighbours and ends too: (blocks, 8).

    Outliers are the largest, the smallest and one more, with both signs; where lower halves go there are
    zeros, and elsewhere inliers.
    """
    random, slots = np.random.default_rng(seed), BlockWeight(bits).slots
    one, found = 1 << slots.fraction, []
    for count in range(MOST + 1):
        for places in combinations(range(MICRO), count):
            values = random.integers(-slots.largest, slots.largest + 1, MICRO)
            if places:
                values[choices(places).lowers[0]] = 0
            magnitudes = random.choice([one, 2 * one - 1, one + 1], count)
            values[list(places)] = magnitudes * random.choice([-1, 1], count) << 2
            found.append(values)
    return np.array(found)
