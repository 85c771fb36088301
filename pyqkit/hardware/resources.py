"""Resources of the parts that blocks are made of, before any synthesis: closed forms, every figure an estimate.

The multiply-accumulate unit is fitted to what Yosys 0.70 makes of 27 formats for xc7 without DSP, as one unit and as dot
products of eight lanes (`tests/hardware/test_resources.py` holds the table). With a and b significant bits, p bits of
product, s positions that the exponents can shift it to, and A bits of adders and accumulator:

    lut_low  = 1.30 a b + 0.26 p log2(s) + 1.34 A       0.75 to 1.43 of the measured lower figure
    lut_high = 2.14 a b + 0.50 p log2(s) + 1.20 A       0.60 to 1.45 of the measured upper figure
    ff       = 2.1 A                                    0.81 to 1.45

Logarithmic Posits have tables (bits times fraction bits) and an aligning shift in place of the multiplier: 0.79 to 1.01 of
what was measured for seven formats. The two LUT figures differ in how well small LUTs share a site. Nothing here was compared with Vivado.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil, log2

from pyqkit.formats import LogPosit, Minifloat, NumberFormat, product
from pyqkit.hls.emitter import signed_bits

_BLOCK_SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))  # width, depth of half a 36-kbit block
_LUTRAM_LIMIT = 16 * 1024  # bits; larger memories go to blocks
_LUTRAM_DEPTH = 64  # bits that one LUT6 stores
_SRL_DEPTH = 32  # bits that one LUT6 shifts
_DSP_FROM = 10  # narrower factors are cheaper in LUTs


@dataclass(frozen=True)
class Resources:
    """Estimated resources of one block or of a network.

    Attributes
    ----------
    lut_low, lut_high : float
        LUTs if small ones share a site wherever they may, and if none does.
    ff : float
    bram36 : float
        Blocks of 36 kbit; halves are possible.
    dsp : float
    """

    lut_low: float = 0
    lut_high: float = 0
    ff: float = 0
    bram36: float = 0
    dsp: float = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(*(a + b for a, b in zip(vars(self).values(), vars(other).values())))

    def __mul__(self, count: int) -> Resources:
        return Resources(*(a * count for a in vars(self).values()))

    def rounded(self) -> dict[str, int | float]:
        """Whole LUTs, flip-flops and DSPs, and blocks in halves."""
        return {name: value if name == "bram36" else ceil(value) for name, value in vars(self).items()}


@cache
def product_bits(left: NumberFormat, right: NumberFormat) -> int:
    """Bits of a product's integer."""
    return signed_bits(product(left, right).table)


def _factor(fmt: NumberFormat) -> tuple[int, int]:
    """Significant bits that a multiplier sees, and positions that the exponent shifts them to."""
    if isinstance(fmt, Minifloat):
        return fmt.significand_bits + 1, max(1, 2**fmt.exponent_bits - 1)
    return signed_bits(fmt.integers), 1


@cache
def multiplier(left: NumberFormat, right: NumberFormat) -> Resources:
    """One exact product of two formats, as an integer ready to be summed."""
    if isinstance(left, LogPosit) and isinstance(right, LogPosit):
        tables, width = left.bits * left.fraction_bits + right.bits * right.fraction_bits, product_bits(left, right)
        return Resources(0.48 * tables + 0.86 * width, 0.64 * tables + 1.9 * width)
    (a, left_positions), (b, right_positions) = _factor(left), _factor(right)
    if min(a, b) > _DSP_FROM:
        return integer_multiplier(a, b)
    shifter = product_bits(left, right) * log2(left_positions + right_positions - 1)
    return Resources(1.30 * a * b + 0.26 * shifter, 2.14 * a * b + 0.50 * shifter)


def integer_multiplier(a: int, b: int) -> Resources:
    """A product of integers of a and b bits: in LUTs if one is narrow, else in DSPs of 27 by 18 bits."""
    if min(a, b) > _DSP_FROM:
        return Resources(dsp=ceil(max(a, b) / 26) * ceil(min(a, b) / 17))
    return Resources(1.30 * a * b, 2.14 * a * b)


def adder(bits: int) -> Resources:
    """An adder with a register."""
    return Resources(1.34 * bits, 1.20 * bits, 2.1 * bits)


def dot_product(left: NumberFormat, right: NumberFormat, lanes: int, accumulator_bits: int) -> Resources:
    """`lanes` products, their adder tree and one accumulator."""
    width, total, level = product_bits(left, right), adder(accumulator_bits), 1
    while lanes >> level:
        total += adder(min(width + level, accumulator_bits)) * (lanes >> level)
        level += 1
    return total + multiplier(left, right) * lanes


def comparator(bits: int) -> Resources:
    """A comparison with a register for its operand: two bits a LUT on a carry chain, one if they do not pair."""
    return Resources(bits / 2, bits, bits)


def memory(width: int, depth: int) -> Resources:
    """A constant or line memory of `depth` words: LUTs where it is small or shallow, else blocks."""
    if width * depth <= _LUTRAM_LIMIT or depth <= _LUTRAM_DEPTH:
        luts = width * ceil(depth / _LUTRAM_DEPTH)
        return Resources(luts, 1.2 * luts)
    return Resources(bram36=min(ceil(width / w) * ceil(depth / d) for w, d in _BLOCK_SHAPES) / 2)


def fifo(width: int, words: int) -> Resources:
    """A FIFO: shift registers where it is small, else blocks; and its control."""
    control = Resources(12, 24, 16)
    if width * words <= _LUTRAM_LIMIT:
        luts = width * ceil(words / _SRL_DEPTH)
        return control + Resources(luts, luts)
    return control + memory(width, words)
