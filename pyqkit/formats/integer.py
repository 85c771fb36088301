"""Integers in two's complement or plain binary, with optional narrow range and zero point."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from pyqkit.formats.base import FormatError, NumberFormat, as_real
from pyqkit.formats.parse import register
from pyqkit.formats.widths import signed_range_bits

MAX_BITS = 64  # accumulators; quantisers take up to 16
QUANTISER_BITS = 16
_ALIASES = {
    "ternary": "int2narrow",
    "qint8": "int8",
    "quint8": "uint8",
    "quint4x2": "uint4",
    "quint2x4": "uint2",
}
MAX_ZERO_POINT = 2**32  # so that every integer and every half between two is exact in float64


@register
@dataclass(frozen=True)
class Integer(NumberFormat):
    """``int4``, ``uint2``, ``int8narrow``, ``uint8z128``.

    A narrow range leaves out the most negative value; z128 means value = code - 128.

    Unlike other formats it needs no table: rounding is arithmetic. A tie goes to the even code, so the parity
    that counts is that of value + zero point, as in a QONNX ``Quant`` node.

    Parameters
    ----------
    width : int
        1 to 16 bits; up to 64 for accumulators.
    signed : bool
    narrow : bool
        Leaves out one end as QONNX ``narrow`` does: the most negative value (signed), the largest (unsigned).
    zero_point : int
        Subtracted from every code, as ``zeropt`` of a QONNX ``Quant`` node; magnitude at most 2**32.
    """

    width: int
    signed: bool = True
    narrow: bool = False
    zero_point: int = 0

    aliases: ClassVar[Mapping[str, str]] = _ALIASES

    def __post_init__(self) -> None:
        if not 1 <= self.width <= MAX_BITS:
            raise FormatError(
                f"an integer of 1 to {QUANTISER_BITS} bits (accumulators: {MAX_BITS}) was expected, "
                f"but {self.width} bits came; use fewer bits"
            )
        if self.narrow and self.width < 2:
            raise FormatError("a narrow integer of at least 2 bits was expected, but 1 bit came")
        if abs(self.zero_point) > MAX_ZERO_POINT:
            raise FormatError(
                f"a zero point of magnitude up to {MAX_ZERO_POINT} was expected, but "
                f"{self.zero_point} came; check the quantiser"
            )

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
    def unsigned_twin(self) -> Integer | None:
        return Integer(self.width, signed=False) if self.signed and not self.zero_point else None

    @property
    def origin(self) -> int:
        return -self.zero_point  # QONNX rounds before it subtracts the zero point

    @property
    def low(self) -> int:
        """Smallest integer."""
        return (-(2 ** (self.width - 1)) + self.narrow if self.signed else 0) - self.zero_point

    @property
    def high(self) -> int:
        """Largest integer."""
        return 2 ** (self.width - self.signed) - 1 - (self.narrow and not self.signed) - self.zero_point

    def integer(self, code: int) -> int | None:
        value = (code - 2**self.width if self.signed and code >> (self.width - 1) else code) - self.zero_point
        return value if self.low <= value <= self.high else None

    def special(self, code: int) -> float:
        # The code that a narrow range leaves out is read as its neighbour.
        return float(self.low if self.signed else self.high)

    @property
    def codes(self) -> np.ndarray:
        return _tables(self)[0]

    @property
    def values(self) -> np.ndarray:
        return _tables(self)[1]

    @property
    def integers(self) -> np.ndarray:
        return _tables(self)[2]

    def _check_quantiser(self) -> None:
        if self.width > QUANTISER_BITS:
            raise FormatError(
                f"an integer of at most {QUANTISER_BITS} bits was expected, but {self.name} came; "
                "accumulators have no table of values"
            )

    @property
    def minimum(self) -> float:
        return float(self.low)

    @property
    def maximum(self) -> float:
        return float(self.high)

    @property
    def lowest_code(self) -> int:
        return int(self.from_integers(np.array(self.low)))

    @property
    def has_zero(self) -> bool:
        return self.low <= 0 <= self.high

    @property
    def zero_code(self) -> int:
        if not self.has_zero:
            return super().zero_code
        return int(self.from_integers(np.array(0)))

    def limits(self, dtype: np.dtype | type = np.float64) -> np.ndarray:
        positions = self.values[:-1] + 0.5
        found = positions.astype(dtype)
        short = found.astype(np.float64)
        upper_is_even = (self.codes[1:] & 1) == 0
        beyond = (short < positions) | ((short == positions) & ~upper_is_even)
        return np.where(beyond, np.nextafter(found, np.asarray(np.inf, dtype)), found)

    def encode(self, x: np.ndarray | float) -> np.ndarray:
        self._check_quantiser()
        real = np.clip(as_real(x, self.name).astype(np.float64, copy=False), self.low, self.high)
        rounded = np.rint(real)
        # `rint` made the value even, the code must be: take the other neighbour of a tie.
        if self.zero_point % 2:
            rest = real - rounded  # exact: both are within half of each other
            rounded = np.where(np.abs(rest) == 0.5, real + rest, rounded)
        return self.from_integers(rounded)

    def decode(self, codes: np.ndarray | int) -> np.ndarray:
        checked = self.checked(codes)
        if self.low < -(2**63) or self.high >= 2**63:  # beyond what `to_integers` can hold
            exact = [(self.integer(code), code) for code in checked.ravel().tolist()]
            real = [self.special(code) if value is None else float(value) for value, code in exact]
            return np.array(real, np.float64).reshape(checked.shape)
        return np.clip(self.to_integers(checked), self.low, self.high).astype(np.float64)

    def from_integers(self, values: np.ndarray) -> np.ndarray:
        """Codes of integers that lie in the range (not checked): the bits of the number, in `code_dtype`."""
        stored = np.asarray(values).astype(np.int64) + self.zero_point
        return (stored & np.int64(-1 if self.width == 64 else 2**self.width - 1)).astype(self.code_dtype)

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
        return cls(signed_range_bits(int(low), int(high)))

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


@lru_cache(maxsize=32)
def _tables(fmt: Integer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes in the order of their values, these values, and the integer of every code."""
    fmt._check_quantiser()
    numbers = np.arange(fmt.low, fmt.high + 1, dtype=np.int64)
    integers = fmt.to_integers(np.arange(2**fmt.width, dtype=fmt.code_dtype))
    integers = np.where((integers < fmt.low) | (integers > fmt.high), 0, integers)
    found = fmt.from_integers(numbers), numbers.astype(np.float64), integers
    for table in found:
        table.setflags(write=False)
    return found
