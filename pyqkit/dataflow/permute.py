"""Channels that leave in the order in which they come: some are dropped, and no pixel has to be held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np


@dataclass(frozen=True)
class Blocks:
    """Of the blocks of a pixel every `step`-th from `start` on, `count` of them; `size` channels each."""

    size: int
    start: int
    step: int
    count: int


def in_order(order: Sequence[int], channels: int, lanes: int) -> Blocks | None:
    """The blocks that an order of channels amounts to; None if it is another, or if they share words."""
    places = np.array(order)
    begins = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    size = gcd(channels, *places[begins].tolist(), *np.diff(begins, append=len(places)).tolist())
    blocks = places[::size] // size
    steps = set(np.diff(blocks).tolist()) or {1}
    if size % lanes or len(steps) > 1 or min(steps) < 1:
        return None
    return Blocks(size, int(blocks[0]), steps.pop(), len(blocks))
