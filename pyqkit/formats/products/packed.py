"""Several products of one multiplication in a DSP: which pairs of formats pack, and how.

Numbers that share a port of the multiplier stand `step` bits apart, ``high * 2**step + low``. Their products
stand in *fields* of as many bits in the result, and so do sums of such results, as long as every sum fits its
field. A negative field borrows from the one above. That is corrected before it happens: a constant, half a
field in each but the highest, is added to the sum, so that no field below the highest is ever negative. To
take it off again turns the highest bit of a field, and a sum of fewer bits does not even have that one.

    ways 2    one activation times two weights
    ways 4    two activations (neighbouring pixels) times two weights

Everything follows from the integers of the formats and the widths of the ports. Nothing is assumed about a
weight or an activation but that it is a code of its format.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pyqkit.formats.base import NumberFormat
from pyqkit.formats.products.decoded import DecodedProduct
from pyqkit.formats.products.pairs import product
from pyqkit.formats.widths import signed_range_bits

WAYS = (2, 4)
Range = tuple[int, int]


@dataclass(frozen=True)
class DspPorts:
    """Bits of the signed ports of a DSP: both factors, the wide one first, and the result."""

    wide: int
    narrow: int
    result: int


DSP48E1 = DspPorts(25, 18, 48)  # 7 series
DSP48E2 = DspPorts(27, 18, 48)  # UltraScale+


@dataclass(frozen=True)
class Packing:
    """How products of two formats share a multiplication.

    Attributes
    ----------
    ways : int
        Products of a multiplication.
    field_bits : int
    sums : int
        Products that may be added in each field before they are unpacked; at least 1.
    left, right : (int, int)
        Smallest and largest integer of an activation and of a weight.
    low, high : int
        Smallest and largest product.
    """

    ways: int
    field_bits: int
    sums: int
    left: Range
    right: Range
    low: int
    high: int

    @property
    def left_step(self) -> int:
        """Bits from one activation to the next on the narrow port; 0 if there is only one."""
        return self.field_bits if self.ways == 4 else 0

    @property
    def right_step(self) -> int:
        """Bits from one weight to the next on the wide port."""
        return self.field_bits * self.ways // 2

    @property
    def correction(self) -> int:
        """What is added once to a sum of packed products, so that no field borrows from the one above."""
        half = 1 << (self.field_bits - 1)
        return sum(half << (self.field_bits * field) for field in range(self.ways - 1))

    @property
    def right_bits(self) -> tuple[int, int]:
        """Widths of both parts of a pair of weights, as `parts` gives them."""
        low, high = self.right
        return signed_range_bits(low, high), signed_range_bits(low - (low < 0), high)

    @property
    def pair_bits(self) -> int:
        """Bits of a pair of weights in memory."""
        return sum(self.right_bits)

    def sum_bits(self, count: int) -> int:
        """Width of a signed sum of `count` products."""
        return signed_range_bits(min(0, self.low * count), max(0, self.high * count))

    @staticmethod
    def parts(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A pair of weights as the packed word holds it: its bits below `right_step`, and those from there.

        The sign of the lower part goes on up to `right_step`, which takes one from the upper part if set.
        """
        return low, high - (low < 0)


@lru_cache(maxsize=256)
def packing(left: NumberFormat, right: NumberFormat, ways: int, ports: DspPorts = DSP48E1) -> Packing | None:
    """How activations of format `left` and weights of format `right` pack; None if they do not.

    Examples
    --------
    >>> from pyqkit.formats import parse
    >>> found = packing(parse("int4"), parse("int4"), 4)
    >>> found.field_bits, found.sums
    (10, 7)
    """
    found = _derived(left, right, ways, ports)
    return found if isinstance(found, Packing) else None


@lru_cache(maxsize=256)
def packing_refusal(left: NumberFormat, right: NumberFormat, ways: int, ports: DspPorts = DSP48E1) -> str:
    """Why two formats do not pack, as what was expected and what came; empty if they do."""
    found = _derived(left, right, ways, ports)
    return found if isinstance(found, str) else ""


def _derived(left: NumberFormat, right: NumberFormat, ways: int, ports: DspPorts) -> Packing | str:
    pair, name = product(left, right), f"{left} times {right}"
    if not isinstance(pair, DecodedProduct):
        return f"products that are multiplications were expected, but {name} {pair.operation}"
    activations, weights = ((int(side.min()), int(side.max())) for side in pair.integers)
    steps = [_widest_step(weights, ports.wide) * 2 // ways, ports.result // ways]
    if ways == 4:
        steps.append(_widest_step(activations, ports.narrow))
    bits = min(steps)
    if bits < 1 or signed_range_bits(*activations) > ports.narrow:
        wanted = f"integers of which {ways} products fit {ports.wide} times {ports.narrow} bits were expected"
        left_bits, right_bits = pair.integer_bits
        return f"{wanted}, but those of {left} and {right} have {left_bits} and {right_bits}"
    sums = min(_fitting(-pair.low, 1 << (bits - 1)), _fitting(pair.high, (1 << (bits - 1)) - 1))
    if sums < 1:
        room = f"products of {bits} bits, one of {ways} fields, were expected at most"
        return f"{room}, but {name} has {pair.bits}"
    return Packing(ways, bits, sums, activations, weights, pair.low, pair.high)


def _widest_step(ends: Range, port: int) -> int:
    """Bits that two numbers of a range can be apart on a port; 0 if it has no room for two."""
    fits = (s for s in range(port, 0, -1) if signed_range_bits(*((end << s) + end for end in ends)) <= port)
    return next(fits, 0)


def _fitting(each: int, room: int) -> int:
    """How often `each` fits `room`; what takes nothing fits as often as bits of it could matter."""
    return room // each if each > 0 else room
