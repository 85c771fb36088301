"""Logarithmic Posits.

All 168 formats, published golden vectors, the posit layout, the log-to-linear table.
"""

import itertools
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from pyqkit.formats import FormatError, LogPosit, examples, parse
from pyqkit.formats.logposit import linear_table, power_of_two
from tests.formats.oracle import lp_logarithm

ALL = [f for f in examples() if isinstance(f, LogPosit) and not f.scale_factor]
every_format = pytest.mark.parametrize("fmt", ALL, ids=str)

# LP<n, es, rs>: code -> value, worked out by hand from the definition, before this code existed.
GOLDEN = {
    "lp2_0_1": {1: 1, 3: -1},
    "lp3_0_2": {1: 0.5, 2: 1, 3: 2},
    "lp4_1_2": {1: 0.125, 2: 0.25, 3: 0.5, 4: 1, 5: 2, 6: 4, 7: 8},
    "lp4_1_3": {1: 0.0625, 2: 0.25, 3: 0.5, 4: 1, 5: 2, 6: 4, 7: 16},
    "lp4_0_3": {1: 0.25, 2: 0.5, 3: 0.7071, 4: 1, 5: 1.4142, 6: 2, 7: 4},
    "lp8_1_3": {
        0x01: 0.017039, 0x20: 0.25, 0x3F: 0.957603, 0x40: 1, 0x41: 1.044274, 0x48: 1.414214, 0x60: 4,
        0x7F: 58.688259, 0xC0: -1,
    },
    "lp8_2_2": {0x01: 0.00426, 0x20: 0.0625, 0x44: 1.414214, 0x60: 16, 0x7F: 234.753},
}  # fmt: skip
LOG2_RANGE = {"lp8_1_3": 5.875, "lp8_2_3": 11.75, "lp8_2_7": 24, "lp8_0_7": 6}


def test_there_are_168_formats() -> None:
    assert len(set(ALL)) == 168


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_vectors(name: str) -> None:
    fmt = parse(name)
    for code, value in GOLDEN[name].items():
        digits = len(str(value).partition(".")[2])
        assert round(float(fmt.decode(code)), digits) == value, f"{name} code {code:#x}"


@pytest.mark.parametrize("name", LOG2_RANGE)
def test_log2_ranges(name: str) -> None:
    assert np.log2(parse(name).maximum) == LOG2_RANGE[name]


@every_format
def test_positive_codes_are_monotone_and_negation_is_the_twos_complement(fmt: LogPosit) -> None:
    half = 2 ** (fmt.bits - 1)
    logarithms = [fmt.logarithm(code)[1] for code in range(1, half)]  # type: ignore[index]
    assert all(a < b for a, b in itertools.pairwise(logarithms))
    for code in range(1, half):
        assert fmt.logarithm(2 * half - code) == (True, logarithms[code - 1])
        assert fmt.decode(2 * half - code) == -fmt.decode(code)
    assert fmt.logarithm(0) is None and fmt.decode(0) == 0
    assert fmt.logarithm(half) is None and np.isnan(fmt.decode(half))


@every_format
def test_logarithms_are_those_of_the_definition(fmt: LogPosit) -> None:
    for code in range(2**fmt.bits):
        expected, found = (
            lp_logarithm(code, fmt.word, fmt.exponent_size, fmt.regime_size),
            fmt.logarithm(code),
        )
        assert (expected is None) == (found is None)
        if expected and found:
            assert (-1 if found[0] else 1, Fraction(found[1], 2**fmt.fraction_bits)) == expected


@every_format
def test_fraction_bits_are_needed(fmt: LogPosit) -> None:
    """The fixed-point logarithm is as short as it can be."""
    found = [fmt.logarithm(code) for code in range(2**fmt.bits)]
    assert fmt.fraction_bits == 0 or any(x and x[1] % 2 for x in found)


@every_format
def test_not_a_real_is_never_produced(fmt: LogPosit) -> None:
    assert 2 ** (fmt.bits - 1) not in fmt.codes
    assert fmt.integers[2 ** (fmt.bits - 1)] == 0


def posit_fields(code: int, n: int, es: int) -> tuple[int, int, int, int, int]:
    """Sign, regime k, exponent, fraction and fraction width of a positive or negative standard posit (no 0 or
    NaR).
    """
    sign = code >> (n - 1)
    body = (-code if sign else code) & (2**n - 1)
    position = n - 2
    lead = body >> position & 1
    run = 0
    while position >= 0 and body >> position & 1 == lead:
        run, position = run + 1, position - 1
    position -= 1  # the bit that ends the regime
    k = run - 1 if lead else -run
    exponent = 0
    for _ in range(es):  # bits cut off on the right are zeros
        exponent = 2 * exponent + (body >> position & 1 if position >= 0 else 0)
        position -= 1
    width = max(position + 1, 0)
    return sign, k, exponent, body & (2**width - 1), width


@pytest.mark.parametrize("n", range(2, 9))
@pytest.mark.parametrize("es", range(6))
def test_longest_regime_is_the_posit_layout(n: int, es: int) -> None:
    """rs = n - 1 has sign, regime and exponent where posit<n, es> has them, the fraction being that of the
    logarithm.
    """
    fmt = LogPosit(n, es, n - 1)
    for code in range(2**n):
        found = fmt.logarithm(code)
        if found is None:
            assert code in (0, 2 ** (n - 1))
            continue
        sign, k, exponent, fraction, width = posit_fields(code, n, es)
        assert found[0] == bool(sign)
        assert Fraction(found[1], 2**fmt.fraction_bits) == 2**es * k + exponent + Fraction(fraction, 2**width)


@pytest.mark.parametrize("fraction_bits", range(7))
def test_the_table_is_the_rounded_power_of_two(fraction_bits: int) -> None:
    """128 + round(128 * (2**F - 1)): error at most 2**-8, and no entry is a tie."""
    table = linear_table(fraction_bits)
    assert len(table) == 2**fraction_bits
    if fraction_bits == 0:
        assert table == (1,)
        return
    with localcontext() as context:
        context.prec = 60
        for i, entry in enumerate(table):
            real = Decimal(2) ** (Decimal(i) / 2**fraction_bits)
            assert entry == int((real * 128).to_integral_value())
            assert abs(entry / Decimal(128) - real) <= Decimal(2) ** -8
    assert table[0] == 128 and all(a < b for a, b in itertools.pairwise(table)) and table[-1] < 256


def test_golden_table() -> None:
    assert linear_table(1) == (128, 181)
    assert linear_table(2) == (128, 152, 181, 215)
    assert linear_table(3) == (128, 140, 152, 166, 181, 197, 215, 235)


def test_nested_roots_are_exact() -> None:
    for numerator in range(64):
        found = power_of_two(numerator, 6, 60)
        assert found**64 <= 2 ** (numerator + 60 * 64) < (found + 1) ** 64


@pytest.mark.parametrize("name", ["lp8_1_3@-0.25", "lp6_2_3@1.5", "lp4_0_3@0.1"])
def test_the_scale_factor_is_a_factor(name: str) -> None:
    fmt = parse(name)
    assert isinstance(fmt, LogPosit)
    assert fmt.prescale == Fraction(2.0**-fmt.scale_factor)
    assert fmt.base == LogPosit(fmt.word, fmt.exponent_size, fmt.regime_size)
    np.testing.assert_array_equal(
        fmt.values, [float(Fraction(float(v)) * fmt.prescale) for v in fmt.base.values]
    )
    np.testing.assert_array_equal(fmt.integers, fmt.base.integers)


@pytest.mark.parametrize("name", ["lp9_1_3", "lp1_0_1", "lp4_6_1", "lp4_0_4", "lp4_0_0"])
def test_illegal_parameters(name: str) -> None:
    with pytest.raises(FormatError) as raised:
        parse(name)
    assert (
        str(raised.value)
        == f"a Logarithmic Posit with n in 2..8, es in 0..5 and rs in 1..n-1 was expected, but {name} came"
    )


def test_illegal_scale_factor() -> None:
    with pytest.raises(
        FormatError, match=r"a scale factor between -64 and 64 was expected, but lp4_0_3@65 came"
    ):
        parse("lp4_0_3@65")
    with pytest.raises(FormatError, match="a scale factor between -64 and 64 was expected"):
        LogPosit(4, 0, 3, float("nan"))
