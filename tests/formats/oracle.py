"""What the formats mean, written a second time from their definitions: fractions and a sorted grid, no code
of pyqkit.

`Grid` rounds by comparing exact distances; a tie is decided by the rule that the family states, given as a
function of the exact midpoint's two neighbours.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache
from math import floor

from pyqkit.formats import Integer, LogPosit, Minifloat, NumberFormat, OddLevels

_PRECISE = Context(prec=80)


class Grid:
    """Values of a format by code, and rounding to them."""

    def __init__(
        self, by_code: dict[int, Fraction], upper_at_tie: Callable[[Fraction, Fraction], bool]
    ) -> None:
        self.by_code = by_code
        self.code_of: dict[Fraction, int] = {}
        for code, value in sorted(by_code.items()):
            self.code_of.setdefault(value, code)  # minus zero is no code of its own
        self.values = sorted(self.code_of)
        self.upper_at_tie = upper_at_tie

    def round(self, x: Fraction) -> Fraction:
        """Nearest value, saturating."""
        upper = bisect_right(self.values, x)
        if upper == 0 or upper == len(self.values):
            return self.values[max(upper - 1, 0)]
        low, high = self.values[upper - 1], self.values[upper]
        if x - low == high - x:
            return high if self.upper_at_tie(low, high) else low
        return low if x - low < high - x else high


@cache
def grid(fmt: NumberFormat) -> Grid:
    """The grid of a format, from its parameters alone."""
    if isinstance(fmt, Integer):
        return _integer(fmt.width, fmt.signed, fmt.narrow, fmt.zero_point)
    if isinstance(fmt, Minifloat):
        return _minifloat(fmt.exponent_bits, fmt.significand_bits, fmt.signed, fmt.variant)
    if isinstance(fmt, LogPosit):
        return _logposit(fmt.word, fmt.exponent_size, fmt.regime_size, Fraction(2.0**-fmt.scale_factor))
    if isinstance(fmt, OddLevels):
        values = {code: Fraction(2 * code + 1 - 2**fmt.width) for code in range(2**fmt.width)}
        return Grid(values, lambda low, high: (high + 2**fmt.width - 1) % 4 == 0)
    raise TypeError(f"the oracle knows no {type(fmt).__name__}")


def _integer(width: int, signed: bool, narrow: bool, zero_point: int) -> Grid:
    stored = range(-(2 ** (width - 1)) + narrow, 2 ** (width - 1)) if signed else range(0, 2**width - narrow)
    values = {q % 2**width: Fraction(q - zero_point) for q in stored}
    return Grid(values, lambda low, high: (high + zero_point) % 2 == 0)


def _minifloat(exponent_bits: int, significand_bits: int, signed: bool, variant: str) -> Grid:
    """Notes of "Shedding the Bits": v = (-1)^s 2^(e - bias) (1 + m / 2^y), subnormal 2^(1 - bias) m / 2^y."""
    bias = 2 ** (exponent_bits - 1) - 1
    top = 2**exponent_bits - 1
    values: dict[int, Fraction] = {}
    code = 0
    for sign in (1, -1) if signed else (1,):
        for e in range(2**exponent_bits):
            for m in range(2**significand_bits):
                special = (variant == "ieee" and e == top) or (
                    variant == "fn" and e == top and m == 2**significand_bits - 1
                )
                if not special:
                    fraction = Fraction(m, 2**significand_bits)
                    values[code] = sign * (
                        Fraction(2) ** (e - bias) * (1 + fraction)
                        if e
                        else Fraction(2) ** (1 - bias) * fraction
                    )
                code += 1

    def upper_at_tie(low: Fraction, high: Fraction) -> bool:
        # x = delta * half_even(x / delta) with delta = 2^max(floor(log2 |x|) - y, 1 - bias - y)
        x = (low + high) / 2
        exponent = max(_floor_log2(abs(x)) - significand_bits, 1 - bias - significand_bits)
        delta = Fraction(2) ** exponent
        return delta * round(x / delta) == high  # Python rounds fractions half to even

    return Grid(values, upper_at_tie)


def _floor_log2(x: Fraction) -> int:
    estimate = x.numerator.bit_length() - x.denominator.bit_length()
    return estimate if Fraction(2) ** estimate <= x else estimate - 1


def lp_logarithm(code: int, n: int, es: int, rs: int) -> tuple[int, Fraction] | None:
    """Sign and exact log2 of an LP code, following the text of the definition on a string of bits.

    None for 0 and NaR.
    """
    if code in (0, 2 ** (n - 1)):
        return None
    sign = -1 if code >= 2 ** (n - 1) else 1
    bits = format(code if sign > 0 else 2**n - code, f"0{n}b")[1:]
    run = len(bits) - len(bits.lstrip(bits[0]))
    m = min(run, rs)
    terminator = 1 if m < rs and len(bits) > m else 0
    rest = bits[m + terminator :]
    k = m - 1 if bits[0] == "1" else -m
    ulfx = Fraction(int(rest or "0", 2)) * Fraction(2) ** (es - len(rest))
    return sign, 2**es * k + ulfx


@cache
def power_of_two(exponent: Fraction, bits: int) -> Fraction:
    """2**exponent rounded to `bits` significant bits, from 80-digit decimals."""
    whole = floor(exponent)
    rest = exponent - whole
    real = Fraction(
        _PRECISE.power(Decimal(2), _PRECISE.divide(Decimal(rest.numerator), Decimal(rest.denominator)))
    )
    unit = Fraction(2) ** (bits - 1)
    return Fraction(round(real * unit)) / unit * Fraction(2) ** whole


def _logposit(n: int, es: int, rs: int, factor: Fraction) -> Grid:
    values = {0: Fraction(0)}
    for code in range(2**n):
        found = lp_logarithm(code, n, es, rs)
        if found:
            values[code] = found[0] * power_of_two(found[1], 53) * factor
    code_of = {value: code for code, value in values.items()}
    return Grid(values, lambda low, high: code_of[high] % 2 == 0)
