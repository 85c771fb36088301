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


def random_items(
    columns: int, bits: int, count: int, random: np.random.Generator, apart: bool = False
) -> np.ndarray:
    """Items of weights of an array whose lists name each place once, as bits: (count, bits of an item).

    Slots, flags, exponents and signs are any; what is no lane of slots of `bits` bits says nothing. With
    `apart` lists route, and both halves of an outlier have its sign, as encoders make them: networks need it.
    """
    slots, groups, width = BlockWeight(bits).slots, columns // MICRO, 4
    stored = random.integers(0, 2, (count, groups, MICRO, width // bits, bits), np.uint8)
    side = random.integers(0, 2, (count, groups, 2, 4), np.uint8)
    lists = np.zeros((count, groups, 2, 2 * MOST), np.int64)
    for at in np.ndindex(count, groups, width // bits):
        pairs = int(random.integers(0, MOST + 1))
        halves = random.permutation(MICRO)[: 2 * pairs]
        if apart and pairs:
            uppers = tuple(sorted(halves[:pairs].tolist()))
            halves = np.stack([uppers, random.choice(choices(uppers).lowers)], 1).ravel()
        lists[at][: 2 * pairs] = halves
        mine = stored[at[0], at[1], :, at[2]]
        if side[(*at, 0)]:
            mine[halves, slots.half : bits - 1] = 0
            mine[halves[1::2], -1] = mine[halves[::2], -1] if apart else mine[halves[1::2], -1]
    places = (lists[..., None] >> np.arange(3) & 1).astype(np.uint8)
    parts = stored, np.concatenate([side, places.reshape(count, groups, 2, -1)], axis=-1)
    shared = random.integers(0, 2, (count, 3), np.uint8)
    return np.concatenate([*(part.reshape(count, -1) for part in parts), shared], axis=1)
