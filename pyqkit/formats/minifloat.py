"""Small floating-point numbers with any split into exponent and significand bits.

Definition (the authors' tool for "Shedding the Bits", FPL 2024, and QONNX ``FloatQuant``): sign, x exponent
bits, y significand bits; bias 2**(x-1) - 1; subnormals; saturating.

    exponent field 0:  v = (-1)**s * 2**(1 - bias) * (m / 2**y)
    otherwise:         v = (-1)**s * 2**(e - bias) * (1 + m / 2**y)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pyqkit.formats.base import FormatError, NumberFormat
from pyqkit.formats.parse import register

_VARIANTS = ("", "fn", "ieee")
_ALIASES = {
    "fp4": "e2m1",
    "fp4_e2m1": "e2m1",
    "float4_e2m1fn": "e2m1",
    "float4_e2m1fn_x2": "e2m1",
    "fp6_e2m3": "e2m3",
    "float6_e2m3fn": "e2m3",
    "fp6_e3m2": "e3m2",
    "float6_e3m2fn": "e3m2",
    "fp8_e4m3": "e4m3fn",
    "fp8_e5m2": "e5m2ieee",
    "float8_e4m3fn": "e4m3fn",
    "float8_e5m2": "e5m2ieee",
    "float8_e4m3": "e4m3ieee",
    "float8_e3m4": "e3m4ieee",
}
_WIDE = (
    "has more than 8 bits, of which a minifloat has up to 8; the nearest are 'e5m2' by range, 'int16' by bits"
)
_NO_ZERO_SIGN = "has another bias and no negative zero, and is none of ours; the nearest is {!r}"
_ELSEWHERE = {
    "fp6": "is one of two formats; take 'e2m3' or 'e3m2'",
    "fp8": "is one of two formats; take 'e4m3fn' or 'e5m2ieee' (OCP), or 'e4m3', which has no NaN",
    "nf4": "is a table of quantiles of the normal distribution, no grid to compute on; the nearest is 'e2m1'",
    "float8_e4m3fnuz": _NO_ZERO_SIGN.format("e4m3"),
    "float8_e5m2fnuz": _NO_ZERO_SIGN.format("e5m2"),
    "float8_e4m3b11fnuz": _NO_ZERO_SIGN.format("e4m3"),
    **dict.fromkeys(("bf16", "bfloat16", "fp16", "float16", "half", "fp32", "float32", "float"), _WIDE),
}


@register
@dataclass(frozen=True)
class Minifloat(NumberFormat):
    """``e2m1``, ``ue3m2``, ``e4m3fn``, ``e5m2ieee``.

    A leading u means unsigned; fn is OCP's with NaN in the last code, ieee OCP's with codes of inf and NaN.

    Parameters
    ----------
    exponent_bits : int
        x, at least 1.
    significand_bits : int
        y, stored bits of the significand, at least 0.
    signed : bool
    variant : {"", "fn", "ieee"}
        "" uses every code for a number; "fn" spends the code of all ones on NaN; "ieee" spends the whole top
        exponent on infinities and NaNs. No variant ever encodes to them: encoding saturates.
    """

    exponent_bits: int
    significand_bits: int
    signed: bool = True
    variant: str = ""

    aliases: ClassVar[Mapping[str, str]] = _ALIASES
    elsewhere: ClassVar[Mapping[str, str]] = _ELSEWHERE

    def __post_init__(self) -> None:
        if self.exponent_bits < 1 or self.significand_bits < 0 or not 3 <= self.bits <= 8:
            raise FormatError(
                f"a minifloat of 3 to 8 bits with at least 1 exponent bit was expected, but {self.name} has "
                f"{self.bits} bits and {self.exponent_bits} exponent bits"
            )
        if self.variant and (not self.signed or self.variant not in _VARIANTS):
            raise FormatError(
                f"the suffix 'fn' or 'ieee' of a signed minifloat was expected, but {self.name} came"
            )
        if self.variant == "ieee" and self.exponent_bits < 2:
            raise FormatError(
                f"at least 2 exponent bits were expected for the suffix 'ieee', but {self.name} came"
            )

    @property
    def name(self) -> str:
        return f"{'' if self.signed else 'u'}e{self.exponent_bits}m{self.significand_bits}{self.variant}"

    @property
    def bits(self) -> int:
        return self.signed + self.exponent_bits + self.significand_bits

    @property
    def bias(self) -> int:
        """Exponent bias, 2**(x-1) - 1."""
        return 2 ** (self.exponent_bits - 1) - 1

    @property
    def description(self) -> str:
        kind = {
            "": "minifloat",
            "fn": "minifloat with a NaN code (OCP)",
            "ieee": "minifloat with inf and NaN codes",
        }[self.variant]
        return kind if self.signed else "unsigned " + kind

    @property
    def unit_exponent(self) -> int:
        return 1 - self.bias - self.significand_bits

    @property
    def addend(self) -> tuple[float, float] | None:
        """How a float32 in range is rounded by adding a number and taking it away again; None if it is not.

        The number is the power of two of its exponent, but at least the first, times the second: then steps
        of the sum are those of the format, and float32 rounds half to even.
        """
        if not self.significand_bits or self.maximum >= 2.0**104:
            return None
        return 2.0 ** (1 - self.bias), 1.5 * 2.0 ** (23 - self.significand_bits)

    @property
    def unsigned_twin(self) -> Minifloat | None:
        # Without the codes of infinity and NaN: activations never are either.
        return Minifloat(self.exponent_bits, self.significand_bits + 1, signed=False) if self.signed else None

    def fields(self, code: int) -> tuple[int, int, int]:
        """Sign, exponent field and significand field of a code."""
        body = self.exponent_bits + self.significand_bits
        return (
            code >> body,
            (code >> self.significand_bits) & (2**self.exponent_bits - 1),
            code & (2**self.significand_bits - 1),
        )

    def integer(self, code: int) -> int | None:
        sign, exponent, significand = self.fields(code)
        top = exponent == 2**self.exponent_bits - 1
        if top and (
            self.variant == "ieee" or (self.variant == "fn" and significand == 2**self.significand_bits - 1)
        ):
            return None
        magnitude = (
            significand if exponent == 0 else (2**self.significand_bits + significand) << (exponent - 1)
        )
        return -magnitude if sign else magnitude

    def special(self, code: int) -> float:
        sign, _, significand = self.fields(code)
        infinite = self.variant == "ieee" and significand == 0
        return (-1.0) ** sign * float("inf") if infinite else float("nan")

    def tie_goes_up(self, lower: int, upper: int) -> bool:
        # Half to even on the significand. With y = 0 the significand of a tie is 1.5, which rounds to 2, so
        # every tie between two nonzero neighbours takes the larger magnitude; half of the smallest value
        # rounds to zero.
        if self.significand_bits:
            return upper % 2 == 0
        negative = self.signed and lower >> (self.bits - 1)
        return bool(upper == 0 if negative else lower != 0)

    @classmethod
    def parse(cls, name: str) -> Minifloat | None:
        match = re.fullmatch(r"(u?)e(\d+)m(\d+)(fn|ieee)?", name)
        if not match:
            return None
        unsigned, exponent, significand, variant = match.groups()
        return cls(int(exponent), int(significand), not unsigned, variant or "")

    @classmethod
    def examples(cls) -> Iterator[Minifloat]:
        for bits in range(3, 9):
            for exponent in range(1, bits):
                yield cls(exponent, bits - 1 - exponent)
            for exponent in range(1, bits + 1):
                yield cls(exponent, bits - exponent, signed=False)
        yield from (cls(4, 3, variant="fn"), cls(5, 2, variant="ieee"))
