"""Products of codes and accumulators, against exact rational arithmetic over all pairs of codes.

The parts of every decomposition, put together, are compared with the table of products.
"""

import ast
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pyqkit import reference
from pyqkit.formats import FormatError, Integer, LogPosit, NumberFormat, accumulator, examples, parse, product
from pyqkit.formats.products import (
    DecodedProduct,
    IntegerProduct,
    LogProduct,
    MinifloatProduct,
    Product,
)
from pyqkit.formats.products.dsp import dsp_refusal
from pyqkit.formats.products.integers import IntegerCodes
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

WIDE = ["e4m3", "lp8_1_3"]  # with which every format is multiplied


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


# ---- decompositions --------------------------------------------------------------------------------------


def numbers(codes: IntegerCodes) -> np.ndarray:
    """Integers of all codes as the fields say."""
    stored = np.arange(2**codes.bits)
    return (
        np.where(codes.signed & (stored >= 2**codes.bits // 2), stored - 2**codes.bits, stored)
        - codes.zero_point
    )


def recombined(pair: Product) -> np.ndarray:
    """Products of all pairs of codes from the fields of the decomposition, by its rule; Python integers."""
    if isinstance(pair, MinifloatProduct):
        (a, b) = pair.sides
        significand = np.multiply.outer(a.significand.astype(object), b.significand.astype(object))
        magnitude = significand << np.add.outer(a.shift, b.shift).astype(object)
        return np.where(np.not_equal.outer(a.negative, b.negative), -magnitude, magnitude)
    if isinstance(pair, LogProduct):
        (a, b), mask = pair.sides, 2**pair.fraction_bits - 1
        total = np.add.outer(a.offset, b.offset) + pair.lowest_fraction
        significand = np.array(pair.significands, dtype=object)[total & mask]
        magnitude = significand << (total >> pair.fraction_bits).astype(object)
        signed = np.where(np.not_equal.outer(a.negative, b.negative), -magnitude, magnitude)
        return np.where(np.logical_or.outer(a.zero, b.zero), 0, signed)
    assert isinstance(pair, DecodedProduct)
    left, right = pair.integers
    if isinstance(pair, IntegerProduct):
        left, right = (
            np.where((x >= fmt.low) & (x <= fmt.high), x, 0)  # the code that a narrow range leaves out
            for x, fmt in zip(map(numbers, pair.sides), (pair.left, pair.right))
        )
    return np.multiply.outer(left.astype(object), right.astype(object))


def check_decomposition(left: NumberFormat, right: NumberFormat) -> None:
    """Fields and factors give the table of products, and range and widths are those of the table."""
    pair = product(left, right)
    table = pair.table
    np.testing.assert_array_equal(recombined(pair), table, err_msg=f"{left} times {right}")
    a, b = pair.factors
    exact = (
        np.int64 if a.dtype == b.dtype == table.dtype == np.int64 else object
    )  # one term a sum: nothing wraps
    product_of_factors = a.astype(exact) @ b.T.astype(exact)
    np.testing.assert_array_equal(product_of_factors, table, err_msg=f"{left} times {right}")
    assert ((a != 0).sum(axis=1) <= 1).all() and (table.dtype == object) == (pair.bits > 64)
    assert pair.low == table.min() and pair.high == table.max()
    codes = np.arange(2**left.bits)[:, None], np.arange(2**right.bits)
    np.testing.assert_array_equal(pair.of(*codes), table)
    if isinstance(pair, LogProduct):
        assert max(int(side.offset.max()) for side in pair.sides) < 2**pair.offset_bits
        assert all(side.offset.min() == 0 for side in pair.sides)
    if isinstance(pair, MinifloatProduct):
        assert pair.full_bits >= pair.bits
    if isinstance(pair, DecodedProduct):
        assert all(
            -(2 ** (bits - 1)) <= x.min() and x.max() < 2 ** (bits - 1)
            for x, bits in zip(pair.integers, pair.integer_bits)
        )


@pytest.mark.parametrize("left", NUMBERS, ids=str)
def test_decompositions_give_the_table(left: NumberFormat) -> None:
    """Every pair of up to four bits, and every format with representatives of eight."""
    for right in [f for f in NUMBERS if max(f.bits, left.bits) <= 4] + [parse(name) for name in WIDE]:
        check_decomposition(left, right)


def test_integers_beyond_eight_bits() -> None:
    for name in ("int16", "uint16", "int12", "uint9z511", "int8z-128", "int3z4294967296"):
        fmt = parse(name)
        for left, right in ((fmt, parse("int4")), (parse("uint2"), fmt)):
            pair = product(left, right)
            assert isinstance(pair, IntegerProduct)
            expected = np.multiply.outer(pair.integers[0].astype(object), pair.integers[1].astype(object))
            np.testing.assert_array_equal(recombined(pair), expected)
            assert pair.low == expected.min() and pair.high == expected.max()


@pytest.mark.parametrize(
    ("left", "right", "kind"),
    [
        ("int4", "uint8z128", IntegerProduct),
        ("e2m1", "ue3m2", MinifloatProduct),
        ("e4m3fn", "e5m2ieee", MinifloatProduct),
        ("lp4_0_3", "lp8_1_3@-0.25", LogProduct),
        ("int4", "e2m1", DecodedProduct),
        ("odd2", "odd2", DecodedProduct),
        ("lp4_0_3", "int4", DecodedProduct),
        ("e2m1", "lp4_0_3", DecodedProduct),
    ],
)
def test_kinds(left: str, right: str, kind: type) -> None:
    assert type(product(parse(left), parse(right))) is kind


def test_codes_that_are_no_numbers_are_inside_the_full_width() -> None:
    """e5m2ieee reads its infinities as numbers of the next exponent: 2 * 1 bits more in a square."""
    e5m2 = parse("e5m2ieee")
    pair = product(e5m2, e5m2)
    assert isinstance(pair, MinifloatProduct)
    assert (pair.bits, pair.full_bits) == (65, 67)


@pytest.mark.parametrize(
    ("left", "right", "refusal"),
    [("int8", "int8", ""), ("int16", "int16", ""), ("e4m3", "e2m1", ""), ("int4", "int5", ""),
     ("lp4_0_3", "lp4_0_3", "multiplications were expected, but lp4_0_3 times lp4_0_3 adds logarithms"),
     ("e5m2", "int8", "at most 25 and 18 bits were expected, but those of e5m2 and int8 have 34 and 8"),
     ("e4m3", "e5m1", "at most 25 and 18 bits were expected, but those of e4m3 and e5m1 have 19 and 33"),
     ("int4", "int4", "at least 9 bits were expected, but int4 times int4 has 8")],
)  # fmt: skip
def test_what_a_dsp_multiplies(left: str, right: str, refusal: str) -> None:
    found = dsp_refusal(parse(left), parse(right))
    assert found.endswith(refusal) and bool(found) == bool(refusal)


def test_the_judge_derives_products_itself() -> None:
    """The reference reads formats, and neither their products nor the sums' widths."""
    for path in Path(reference.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pyqkit.formats"):
                names = {alias.name for alias in node.names}
                assert "products" not in node.module and not names & {"product", "Product", "accumulator"}
