"""Integers in two's complement (signed) or plain binary (unsigned), with optional narrow range and zero point."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pyqkit.formats.base import FormatError, NumberFormat
from pyqkit.formats.parse import register

MAX_BITS = 64  # accumulators; quantisers take up to 16


@register
@dataclass(frozen=True)
class Integer(NumberFormat):
    """``int4``, ``uint2``, ``int8narrow`` (without the most negative value), ``uint8z128`` (value = code - 128).

    Parameters
    ----------
    width : int
        1 to 16 bits; up to 64 for accumulators.
    signed : bool
    narrow : bool
        Leaves out the smallest code, so that a signed range is symmetric (QONNX ``narrow``).
    zero_point : int
        Subtracted from every code, as ``zeropt`` of a QONNX ``Quant`` node.
    """

    width: int
    signed: bool = True
    narrow: bool = False
    zero_point: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.width <= MAX_BITS:
            raise FormatError(f"an integer of 1 to 16 bits was expected, but {self.width} bits came")
        if self.narrow and self.width < 2:
            raise FormatError("a narrow integer of at least 2 bits was expected, but 1 bit came")

    @property
    def name(self) -> str:
        suffix = ("narrow" if self.narrow else "") + (f"z{self.zero_point}" if self.zero_point else "")
        return f"{'int' if self.signed else 'uint'}{self.width}{suffix}"

    @property
    def bits(self) -> int:
        return self.width

    @property
    def description(self) -> str:
        return "two's complement integer" if self.signed else "unsigned integer"

    @property
    def unit_exponent(self) -> int:
        return 0

    @property
    def low(self) -> int:
        """Smallest integer."""
        return (-(2 ** (self.width - 1)) if self.signed else 0) + self.narrow - self.zero_point

    @property
    def high(self) -> int:
        """Largest integer."""
        return 2 ** (self.width - self.signed) - 1 - self.zero_point

    def integer(self, code: int) -> int | None:
        value = code - 2**self.width if self.signed and code >> (self.width - 1) else code
        return None if value - self.zero_point < self.low else value - self.zero_point

    def special(self, code: int) -> float:
        return float(self.low)  # the code that a narrow range leaves out is read as the nearest value

    @property
    def minimum(self) -> float:
        return float(self.low)

    @property
    def maximum(self) -> float:
        return float(self.high)

    @property
    def has_zero(self) -> bool:
        return self.low <= 0 <= self.high

    @property
    def zero_code(self) -> int:
        if not self.has_zero:
            return super().zero_code
        return int(self.from_integers(np.array(0)))

    def from_integers(self, values: np.ndarray) -> np.ndarray:
        """Codes of integers that lie in the range (not checked): the bits of the number, in `code_dtype`."""
        return ((np.asarray(values).astype(np.int64) + self.zero_point) & np.int64(-1 if self.width == 64 else 2**self.width - 1)).astype(self.code_dtype)

    def to_integers(self, codes: np.ndarray) -> np.ndarray:
        """Integers of codes, int64; the inverse of `from_integers`."""
        wide = np.asarray(codes).astype(np.int64)
        if self.signed and self.width < 64:
            sign = np.int64(1) << np.int64(self.width - 1)
            wide = (wide ^ sign) - sign
        return wide - self.zero_point

    @classmethod
    def for_range(cls, low: int, high: int) -> Integer:
        """Narrowest integer format that holds every integer from `low` to `high`."""
        if low >= 0:
            return cls(max(1, int(high).bit_length()), signed=False)
        return cls(max(int(high).bit_length(), int(-low - 1).bit_length()) + 1)

    @classmethod
    def parse(cls, name: str) -> Integer | None:
        match = re.fullmatch(r"(u?)int(\d+)(narrow)?(?:z(-?\d+))?", name)
        if not match:
            return None
        unsigned, width, narrow, zero_point = match.groups()
        return cls(int(width), not unsigned, bool(narrow), int(zero_point or 0))

    @classmethod
    def examples(cls) -> Iterator[Integer]:
        for width in range(1, 17):
            yield cls(width)
            yield cls(width, signed=False)
        yield from (cls(4, narrow=True), cls(8, narrow=True), cls(8, signed=False, zero_point=128))
