"""Blocks that no machine has, to be compared with those of the families.

Elements of minifloats and posits, of one Logarithmic Posit alone and with Mitchell's approximation, and ways
to decode codes at the edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from pyqkit.array.families import of
from pyqkit.array.machine import Machine, Mode, named
from pyqkit.array.rtl.blocks import Block, blocks
from pyqkit.array.rtl.parameters import FRACTION, SIGNIFICAND
from pyqkit.formats import NumberFormat, parse
from pyqkit.formats.logposit import TABLE_BITS
from pyqkit.rtl.products.base import literal

LPA = named("lpa8x8")
GROWTH = {4: 5, 8: 4}  # bits of a sum over a product: a sign, and 16 rows of 4 bits or 8 of 8 bits


@dataclass(frozen=True)
class Linear:
    """Numbers with a linear significand, in an element of their own.

    Attributes
    ----------
    integers : tuple of int
        By code, in units of the smallest.
    """

    integers: tuple[int, ...]

    @property
    def bits(self) -> int:
        """Of a code."""
        return (len(self.integers) - 1).bit_length()

    @property
    def lanes(self) -> int:
        """Weights of a slot of eight bits."""
        return 8 // self.bits

    @property
    def significand(self) -> int:
        """Bits that all of them need."""
        return max((abs(i) // (abs(i) & -abs(i))).bit_length() for i in self.integers if i)

    @property
    def largest(self) -> int:
        """Magnitude."""
        return max(map(abs, self.integers))

    @property
    def exponent(self) -> int:
        """Bits of the shift of a significand."""
        return (self.largest.bit_length() - self.significand).bit_length()

    @property
    def parameters(self) -> dict[str, int]:
        """Of ``pqk_array_float_element``."""
        width = (self.largest**2).bit_length()
        return {
            "EXPONENT": self.exponent,
            "SIGNIFICAND": self.significand,
            "W": width,
            "LANES": self.lanes,
            "LANE": width + GROWTH[self.bits],
        }

    @property
    def block(self) -> Block:
        """The element."""
        return Block.of("float_element", self.parameters)

    def numbers(self) -> np.ndarray:
        """Codes as an edge decodes them: {zero, negative, exponent, significand}."""
        found = []
        for value in self.integers:
            exponent = max(0, abs(value).bit_length() - self.significand)
            flags = (value == 0) << 1 | (value < 0)
            body = exponent << self.significand | abs(value) >> exponent
            found.append(flags << self.exponent + self.significand | body)
        return np.array(found)


def minifloat(name: str) -> Linear:
    """Of pyqkit's format; what is no number is zero."""
    fmt = parse(name)
    assert isinstance(fmt, NumberFormat)
    return Linear(tuple(int(i) for i in fmt.integers))


def posit(bits: int, exponent_size: int) -> Linear:
    """Of the layout of the posit standard; Not a Real is zero."""
    return Linear(tuple(_posit(code, bits, exponent_size) for code in range(2**bits)))


def _posit(code: int, bits: int, exponent_size: int) -> int:
    """In units of the smallest."""
    negative = code >> bits - 1
    body = f"{(-code if negative else code) % 2**bits:0{bits}b}"[1:]
    if int(body, 2) == 0:
        return 0
    run = len(body) - len(body.lstrip(body[0]))
    rest = body[run + 1 :].ljust(exponent_size, "0")
    exponent, fraction = rest[:exponent_size], rest[exponent_size:]
    scale = (run - 1 if body[0] == "1" else -run) * 2**exponent_size + int("0" + exponent, 2)
    value = Fraction(int("1" + fraction, 2), 2 ** len(fraction)) * Fraction(2) ** scale
    found = value * 2 ** ((bits - 2) << exponent_size)
    assert found.denominator == 1
    return -int(found) if negative else int(found)


LINEAR = {
    "e2m1": minifloat("e2m1"),
    "posit4_0": posit(4, 0),
    "e4m3": minifloat("e4m3"),
    "posit8_0": posit(8, 0),
    "posit8_1": posit(8, 1),
    "posit8_2": posit(8, 2),
}


def of_one_format(name: str) -> Block:
    """The element of family `lp` for one Logarithmic Posit of 8 bits alone."""
    fmt = parse(name)
    assert isinstance(fmt, NumberFormat)
    pair = of(LPA).pair(LPA, fmt, fmt)
    width = int(abs(pair.products).max()).bit_length()
    machine = replace(LPA, name="one", modes=(Mode(8, 8, width, 48),))
    return element(machine)


def element(machine: Machine) -> Block:
    """Of a machine."""
    return next(block for block in blocks(machine) if block.module.endswith("element"))


def mitchell(fraction_bits: int) -> Sequence[int]:
    """Significands 1 + F in the place of 2**F, in the units of `linear_table`."""
    return [(1 << TABLE_BITS) + (i << TABLE_BITS - fraction_bits) for i in range(2**fraction_bits)]


def with_mitchell(machine: Machine) -> Block:
    """The element of a machine whose log-to-linear table is Mitchell's line."""
    plain = dict(element(machine).parameters)
    fraction = int(plain["FRACTION"])
    return Block.of("lp_element", {**plain, "SIGNIFICANDS": literal(mitchell(fraction), SIGNIFICAND)})


# What is beside the elements of machines, and how many products each makes in a cycle.
ELEMENTS: dict[str, tuple[Block, float]] = {
    **{f"{name} W{one.bits}A{one.bits}": (one.block, one.lanes) for name, one in LINEAR.items()},
    "lp8_1_2 alone W8A8": (of_one_format("lp8_1_2"), 1),
    "lpa8x8 W4A8, Mitchell": (with_mitchell(LPA), 2),
}
_TABLE = {"BITS": 8, "LOG": FRACTION + 5}
EDGES = {
    "table of 256 entries, four formats, block RAM": Block.of(
        "lp_activation", {**_TABLE, "TABLES": LPA.operand_tables}
    ),
    "table of 256 entries, one format, block RAM": Block.of("lp_activation", {**_TABLE, "TABLES": 1}),
    "table of 256 entries, one format, LUTs": Block.of(
        "lp_activation", {**_TABLE, "TABLES": 1, "MEMORY": '"lut"'}
    ),
    "structural, any Logarithmic Posit": Block.of("lp_decoder", {}),
}
