"""Logarithmic Posits LP<n, es, rs, sf> (Ramachandran et al., DAC 2024), with a bounded regime.

Layout, most significant bit first, negative numbers being the two's complement of the whole word:

    sign (1) | regime | ulfx

    regime: a run of equal bits, at most rs, closed by one opposite bit unless it has length rs

    value = (-1)**s * 2**(2**es * k - sf + ulfx),  k = m - 1 for a run of m ones, -m for m zeros

ulfx holds the exponent and the logarithm of the significand as one fixed-point number. Code 0 is zero and
code 2**(n-1) is Not a Real, which encoding never produces and which hardware reads as zero. rs = n - 1 is the
layout of the posit standard.

Arithmetic. The product of two LP numbers adds their logarithms and then leaves the logarithmic domain:
``L = I + F`` becomes ``(128 + T[F]) * 2**(I - 7)`` with ``T[F]`` = 2**F - 1 rounded to 7 fraction bits. The
table T is part of the definition: every engine uses it. `LogPosit.integer` is one number sent through the
same table, used where an LP number meets a linear one (residual addition, pooling, a product with another
family).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import isqrt
from typing import ClassVar

from pyqkit.formats.base import FormatError, NumberFormat
from pyqkit.formats.parse import register

TABLE_BITS = 7  # fraction bits of the log-to-linear table: relative error at most 2**-8
_NUMBER = r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:e-?\d+)?"

# Posits of the standard of 2022, which has es = 2
_POSIT = "has linear significands; the nearest is 'lp{n}_2_{m}', which is logarithmic between powers of two"
_ELSEWHERE = {f"posit{n}": _POSIT.format(n=min(n, 8), m=min(n, 8) - 1) for n in (4, 6, 8, 16, 32)}


@cache
def power_of_two(numerator: int, fraction_bits: int, result_bits: int) -> int:
    """``floor(2**(numerator / 2**fraction_bits) * 2**result_bits)`` for numerator >= 0.

    Computed by nested integer square roots.

    Exact: the floor of a root of a floor is the floor of the root, so no floating-point function is involved.
    """
    value = 1 << (numerator + (result_bits << fraction_bits))
    for _ in range(fraction_bits):
        value = isqrt(value)
    return value


@cache
def linear_table(fraction_bits: int) -> tuple[int, ...]:
    """Significand of 2**F for every fraction F = i / 2**fraction_bits, in units of 2**-7.

    The unit is 1 without fraction bits.
    """
    if fraction_bits == 0:
        return (1,)
    return tuple((power_of_two(i, fraction_bits, TABLE_BITS + 1) + 1) >> 1 for i in range(2**fraction_bits))


def linear_bits(fraction_bits: int) -> int:
    """Fraction bits of the entries of `linear_table`."""
    return TABLE_BITS if fraction_bits else 0


@register
@dataclass(frozen=True)
class LogPosit(NumberFormat):
    """``lp8_1_3`` = LP<n=8, es=1, rs=3>; the scale factor stands after an at sign: ``lp8_1_3@-0.25``.

    Parameters
    ----------
    word : int
        n, 2 to 8 bits.
    exponent_size : int
        es, 0 to 5.
    regime_size : int
        rs, longest regime run, 1 to n - 1.
    scale_factor : float
        sf; values carry the factor 2**-sf.
    """

    word: int
    exponent_size: int
    regime_size: int
    scale_factor: float = 0.0

    is_logarithmic = True
    elsewhere: ClassVar[Mapping[str, str]] = _ELSEWHERE

    def __post_init__(self) -> None:
        if not (
            2 <= self.word <= 8 and 0 <= self.exponent_size <= 5 and 1 <= self.regime_size <= self.word - 1
        ):
            raise FormatError(
                "a Logarithmic Posit with n in 2..8, es in 0..5 and rs in 1..n-1 was expected, but "
                f"{self.name} came"
            )
        if not abs(self.scale_factor) <= 64:
            raise FormatError(f"a scale factor between -64 and 64 was expected, but {self.name} came")

    @property
    def name(self) -> str:
        factor = (
            f"@{self.scale_factor:g}"
            if float(f"{self.scale_factor:g}") == self.scale_factor
            else f"@{self.scale_factor!r}"
        )
        return f"lp{self.word}_{self.exponent_size}_{self.regime_size}" + (
            factor if self.scale_factor else ""
        )

    @property
    def bits(self) -> int:
        return self.word

    @property
    def description(self) -> str:
        return f"Logarithmic Posit, es={self.exponent_size}, rs={self.regime_size}"

    @property
    def prescale(self) -> Fraction:
        return Fraction(2.0**-self.scale_factor)

    @property
    def base(self) -> LogPosit:
        return LogPosit(self.word, self.exponent_size, self.regime_size)

    @property
    def fraction_bits(self) -> int:
        """Fraction bits of the logarithm."""
        shortest_regime = 1 if self.regime_size == 1 else 2
        return max(0, self.word - 1 - shortest_regime - self.exponent_size)

    def logarithm(self, code: int) -> tuple[bool, int] | None:
        """Sign and log2 of the magnitude, in units of ``2**-fraction_bits``; None for zero and Not a Real."""
        n, rs = self.word, self.regime_size
        if code in (0, 2 ** (n - 1)):
            return None
        negative = bool(code >> (n - 1))
        if negative:
            code = 2**n - code
        first = (code >> (n - 2)) & 1
        run = 1
        while run < rs and run < n - 1 and (code >> (n - 2 - run)) & 1 == first:
            run += 1
        used = run + (1 if run < rs and run < n - 1 else 0)
        rest = n - 1 - used
        regime = run - 1 if first else -run
        ulfx = (code & (2**rest - 1)) << (self.exponent_size + self.fraction_bits - rest)
        return negative, (regime << (self.exponent_size + self.fraction_bits)) + ulfx

    @property
    def smallest_logarithm(self) -> int:
        """Logarithm of the smallest magnitude, in units of ``2**-fraction_bits``."""
        found = self.logarithm(1)
        assert found is not None  # code 1 is a positive number in every LP format
        return found[1]

    @property
    def unit_exponent(self) -> int:
        return (self.smallest_logarithm >> self.fraction_bits) - linear_bits(self.fraction_bits)

    def integer(self, code: int) -> int | None:
        if code == 0:
            return 0
        found = self.logarithm(code)
        if found is None:
            return None
        negative, logarithm = found
        f = self.fraction_bits
        magnitude = linear_table(f)[logarithm & (2**f - 1)] << (
            (logarithm >> f) - (self.smallest_logarithm >> f)
        )
        return -magnitude if negative else magnitude

    def exact(self, code: int) -> Fraction | None:
        """Value of `code`, `scale_factor` left out: the real number correctly rounded to 53 bits."""
        if code == 0:
            return Fraction(0)
        found = self.logarithm(code)
        if found is None:
            return None
        negative, logarithm = found
        f = self.fraction_bits
        significand = Fraction((power_of_two(logarithm & (2**f - 1), f, 53) + 1) >> 1, 2**52)
        return (-1 if negative else 1) * significand * Fraction(2) ** (logarithm >> f)

    @classmethod
    def parse(cls, name: str) -> LogPosit | None:
        match = re.fullmatch(rf"lp(\d+)_(\d+)_(\d+)(?:@({_NUMBER}))?", name)
        if not match:
            return None
        n, es, rs, sf = match.groups()
        return cls(int(n), int(es), int(rs), float(sf or 0))

    @classmethod
    def examples(cls) -> Iterator[LogPosit]:
        for n in range(2, 9):
            for es in range(6):
                for rs in range(1, n):
                    yield cls(n, es, rs)
        yield cls(8, 1, 3, -0.25)
