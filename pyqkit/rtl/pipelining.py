"""How many registers a block gets: as few as let it meet the clock of the design.

A block whose depth can be chosen has a rule beside its emitter, which says what its longest path takes at
each depth, estimated from netlists (no place and route).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from pyqkit.formats import Integer, NumberFormat

TARGET_MHZ = 200.0  # what blocks are made for where nobody asks for a clock; the defaults of ``rtl/`` meet it
MARGIN = 0.1  # of the period, left to what an estimate before place and route does not see
CARRY_NS = 0.03  # of a bit of a carry chain


def stages(delays_ns: Sequence[float], clock_mhz: float) -> int:
    """The least depth that meets a clock.

    Parameters
    ----------
    delays_ns : sequence of float
        Longest path of the block at depth 0, 1, 2, ..., in ns.
    clock_mhz : float

    Returns
    -------
    int
        The deepest there is where none meets the clock.
    """
    period = 1000 / clock_mhz * (1 - MARGIN)
    return next((depth for depth, delay in enumerate(delays_ns) if delay <= period), len(delays_ns) - 1)


def booth_rows(a: int, b: int) -> int:
    """Rows of a multiplier of two signed integers of so many bits, `rtl/pqk_product_booth.sv`."""
    return (min(a, b) + 1) // 2


def booth_digits(factor: int, bits: int) -> list[bool]:
    """Which rows add something where a factor of so many bits, with its sign, is known; the lowest first."""
    padded = factor << 1
    return [(padded >> place & 7) not in (0, 7) for place in range(0, bits, 2)]


def booth_ns(rows: int, width: int) -> float:
    """Longest path through so many rows of a multiplier, from a register to a register.

    `width` is that of the wider factor; the rows' carry chains overlap. The digits of late rows come out of
    shift registers, which are slow.
    """
    return 2.2 + 1.7 * rows + CARRY_NS * width


def chunk(bits: int, clock_mhz: float, factor_bits: int = 0) -> int:
    """Of numbers of so many bits those that one carry chain takes, from a register to a register.

    Numbers are cut evenly. They come out of shift registers, which are slow; where they are multiplied by a
    factor, a chain has the bits of both.
    """
    period = 1000 / clock_mhz * (1 - MARGIN)
    shifted, added = (int((period - early) / CARRY_NS) for early in (3.35, 2.1))
    most = max(8, min(shifted, added - factor_bits))
    return ceil(bits / ceil(bits / most))


def sum_chunk(bits: int, product: tuple[int, int], clock_mhz: float) -> int:
    """Of sums of so many bits, with products of numbers of so many, those that one carry chain takes."""
    period = 1000 / clock_mhz * (1 - MARGIN)
    whole = sum(product) <= int((period - 2.4) / CARRY_NS)
    return bits if whole else chunk(bits, clock_mhz, product[1])


_AT_ONCE = 6  # bits of an index that one LUT takes


def mirror(fmt: NumberFormat) -> int:
    """How codes of a format are negated, as `rtl/pqk_decode_pipeline.sv` counts; 0: no such way."""
    if isinstance(fmt, Integer) or len(fmt.integers) < 4:
        return 0
    integers, half = fmt.integers, len(fmt.integers) // 2
    if np.array_equal(integers[half:], -integers[:half]):
        return 1
    return 2 if np.array_equal(np.roll(integers[::-1], 1), -integers) else 0


def decode_stages(fmt: NumberFormat, clock_mhz: float) -> int:
    """Registers between a code and its integer, beside one behind it; only wide tables need any."""
    if isinstance(fmt, Integer) or fmt.bits <= _AT_ONCE:
        return 0
    way = mirror(fmt)  # a two's complement is taken in front of the table
    return way * stages([6.0, 4.4], clock_mhz)
