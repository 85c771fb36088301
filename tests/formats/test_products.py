"""Products of codes and accumulators, against exact rational arithmetic over all pairs of codes."""

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from pyqkit.formats import FormatError, Integer, LogPosit, NumberFormat, accumulator, examples, parse, product
from tests.formats.oracle import grid, lp_logarithm, power_of_two

NUMBERS = [f for f in examples() if isinstance(f, NumberFormat) and f.bits <= 8]
LINEAR = [f for f in NUMBERS if f.bits <= 6 and not f.is_logarithmic]
LOGARITHMIC = [f for f in NUMBERS if f.bits <= 6 and isinstance(f, LogPosit)]
EIGHT = [
    "e4m3",
    "e5m2ieee",
    "int8",
    "uint8z128",
    "odd8",
    "lp8_1_3",
    "lp8_0_7",
    "lp8_2_2",
    "lp7_5_6",
    "lp7_3_2@0.7",
]


def exact_values(fmt: NumberFormat) -> list[Fraction]:
    """Value of each code without prescale (0 for special codes).

    Logarithmic formats through the log-to-linear table.
    """
    if isinstance(fmt, LogPosit):
        return [
            _linear(lp_logarithm(code, fmt.word, fmt.exponent_size, fmt.regime_size), fmt)
            for code in range(2**fmt.bits)
        ]
    found = grid(fmt).by_code
    return [found.get(code, Fraction(0)) for code in range(2**fmt.bits)]


def _linear(logarithm: tuple[int, Fraction] | None, *formats: LogPosit) -> Fraction:
    """2**L with its significand rounded to 7 fraction bits: (128 + T[F]) * 2**(I - 7)."""
    if logarithm is None:
        return Fraction(0)
    return logarithm[0] * power_of_two(logarithm[1], 8)


def check(left: NumberFormat, right: NumberFormat) -> None:
    """Each entry of the table is the exact product of the two codes' integers."""
    found = product(left, right)
    assert found.table.shape == (2**left.bits, 2**right.bits)
    unit = left.base.unit * right.base.unit
    assert found.unit_exponent == left.base.unit_exponent + right.base.unit_exponent
    lefts = np.array([v / left.base.unit for v in exact_values(left)], object)
    rights = np.array([v / right.base.unit for v in exact_values(right)], object)
    assert all(v.denominator == 1 for v in (*lefts, *rights)), "integers hold the values exactly"
    expected = np.multiply.outer(
        np.array([int(v) for v in lefts], object), np.array([int(v) for v in rights], object)
    )
    assert np.array_equal(found.table, expected) and unit == Fraction(2) ** found.unit_exponent


def check_logarithmic(left: LogPosit, right: LogPosit) -> None:
    """Logarithms add, the table is passed once; every product within 2**-8 of the real one."""
    found = product(left, right)
    unit = Fraction(2) ** found.unit_exponent
    logs = [
        [lp_logarithm(c, f.word, f.exponent_size, f.regime_size) for c in range(2**f.bits)]
        for f in (left, right)
    ]
    sums: dict[Fraction, tuple[int, Fraction]] = {}
    for i, x in enumerate(logs[0]):
        for j, y in enumerate(logs[1]):
            entry = int(found.table[i, j])
            if x is None or y is None:
                assert entry == 0
                continue
            total = x[1] + y[1]
            if total not in sums:
                linear = power_of_two(total, 8)
                sums[total] = (int(linear / unit), linear)
                assert linear / unit == sums[total][0], "the unit divides every product"
                assert abs(linear / power_of_two(total, 60) - 1) <= Fraction(1, 2**8)
            assert entry == x[0] * y[0] * sums[total][0]


@pytest.mark.parametrize("left", LINEAR, ids=str)
def test_all_pairs_of_linear_formats(left: NumberFormat) -> None:
    for right in LINEAR:
        check(left, right)


@pytest.mark.parametrize("left", LOGARITHMIC, ids=str)
def test_logarithmic_with_linear_formats(left: LogPosit) -> None:
    for right in (parse(n) for n in ("int4", "uint6", "e3m2", "ue2m1", "odd2")):
        check(left, right)
        check(right, left)


@pytest.mark.parametrize("left", LOGARITHMIC, ids=str)
def test_pairs_of_logarithmic_formats(left: LogPosit) -> None:
    for right in {
        left,
        *(parse(n) for n in ("lp2_0_1", "lp4_0_3", "lp4_1_2", "lp5_2_1", "lp6_1_3", "lp6_5_2")),
    }:
        check_logarithmic(left, right)


@pytest.mark.parametrize("left", EIGHT)
def test_a_few_formats_of_eight_bits(left: str) -> None:
    for right in ("e4m3", "int8", "odd8", "lp8_1_3", "lp4_0_3"):
        a, b = parse(left), parse(right)
        if isinstance(a, LogPosit) and isinstance(b, LogPosit):
            check_logarithmic(a, b)
        else:
            check(a, b)


def test_the_scale_factor_stays_out_of_products() -> None:
    assert np.array_equal(
        product(parse("lp8_1_3@-0.25"), parse("int4")).table, product(parse("lp8_1_3"), parse("int4")).table
    )


def test_golden_logarithmic_products() -> None:
    """lp4_0_3 holds 1/sqrt(2): its square is exactly one half, not (91/128)**2."""
    fmt = parse("lp4_0_3")
    found = product(fmt, fmt)
    assert found.table[3, 3] * 2.0**found.unit_exponent == 0.5
    assert found.table[5, 4] * 2.0**found.unit_exponent == 181 / 128
    with localcontext() as context:
        context.prec = 40
        assert int(Decimal(2).sqrt() * 128 + Decimal("0.5")) == 181


@pytest.mark.parametrize("count", [1, 2, 9, 576, 4608])
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("int4", "int4"), ("uint4", "int4"), ("e2m1", "e2m1"), ("e3m2", "ue3m2"), ("e4m3", "e4m3"),
        ("lp4_0_3", "lp4_0_3"), ("lp8_1_3", "e2m1"), ("odd2", "uint2"), ("uint2", "uint2"), ("int1", "int1"),
        ("uint8z128", "int8"),
    ],
)  # fmt: skip
def test_accumulators_hold_and_are_tight(left: str, right: str, count: int) -> None:
    a, b = parse(left), parse(right)
    fmt = accumulator(a, b, count)
    table = product(a, b).table.astype(object)
    # The extremes are reached: `count` times the same pair of codes, so no narrower integer would do.
    most, least = max(int(table.max()) * count, 0), min(int(table.min()) * count, 0)
    assert fmt.low <= least and most <= fmt.high
    assert fmt.signed == (least < 0)
    if fmt.width > 1:
        narrower = Integer(fmt.width - 1, fmt.signed)
        assert least < narrower.low or most > narrower.high


def test_accumulators_beyond_64_bits_are_refused() -> None:
    with pytest.raises(FormatError, match=r"an integer of 1 to 16 bits \(accumulators: 64\) was expected"):
        accumulator(parse("lp8_5_7"), parse("lp8_5_7"), 9)
