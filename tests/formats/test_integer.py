"""Integers of 1 to 16 bits, zero points, narrow ranges, and accumulators of up to 64 bits."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from pyqkit.formats import FormatError, Integer, parse
from pyqkit.formats.base import NumberFormat

NAMES = [f"{sign}int{width}" for width in range(1, 17) for sign in ("", "u")]
NAMES += [
    "int16narrow",
    "uint16narrow",
    "uint16z32768",
    "int16z-3",
    "uint12z1001",
    "int10narrowz7",
    "uint8z4294967296",
]


def half_to_even_code(x: float, fmt: Integer) -> int:
    """The stored integer that QONNX defines, clip(round(x + zero point)), in exact arithmetic.

    Ties to even.
    """
    stored = (2**60 if x > 0 else -(2**60)) if abs(x) > 2**40 else round(Fraction(x) + fmt.zero_point)
    low = -(2 ** (fmt.width - 1)) + fmt.narrow if fmt.signed else 0
    high = 2 ** (fmt.width - 1) - 1 if fmt.signed else 2**fmt.width - 1 - fmt.narrow
    return min(max(stored, low), high) % 2**fmt.width


@pytest.mark.parametrize("name", NAMES)
def test_quarter_steps_over_the_whole_range(name: str) -> None:
    """Ties, values and what lies between, for every code, and beyond both ends."""
    fmt = parse(name)
    assert isinstance(fmt, Integer)
    # Quarters, relative to the lowest value.
    stored = np.arange(-4 * 2, 4 * (2**fmt.width + 2), dtype=np.int64)
    x = fmt.low + stored / 4
    lowest = fmt.low + fmt.zero_point
    whole, quarter = stored // 4 + lowest, stored % 4
    rounded = whole + ((quarter == 3) | ((quarter == 2) & (whole % 2 == 1)))
    expected = np.clip(rounded, lowest, fmt.high + fmt.zero_point) & (2**fmt.width - 1)
    assert_array_equal(fmt.encode(x), expected)
    assert_array_equal(fmt.decode(fmt.encode(x)), np.clip(rounded - fmt.zero_point, fmt.low, fmt.high))
    single = x.astype(np.float32)
    same = single == x
    assert_array_equal(fmt.encode(single[same]), expected[same])
    assert same.mean() > 0.9 or fmt.zero_point > 2**20


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limits_are_exact(name: str, dtype: type) -> None:
    fmt = parse(name)
    limits = fmt.limits(dtype)
    assert limits.dtype == dtype and len(limits) == len(fmt.codes) - 1
    distinct = np.append(np.diff(limits) > 0, True)
    assert_array_equal(fmt.encode(limits[distinct]), fmt.codes[1:][distinct])
    first = np.append(True, np.diff(limits) > 0)[: len(limits)]
    assert_array_equal(fmt.encode(np.nextafter(limits[first], dtype(-np.inf))), fmt.codes[:-1][first])


@given(
    st.sampled_from([parse(n) for n in NAMES]),
    st.one_of(
        st.floats(allow_nan=False, width=64),
        st.floats(-70_000, 70_000),
        st.integers(-140_000, 140_000).map(lambda i: i / 2),
    ),
)
def test_any_number(fmt: Integer, x: float) -> None:
    assert int(fmt.encode(x)) == half_to_even_code(x, fmt)
    with np.errstate(over="ignore"):
        single = np.float32(x)
    assert int(fmt.encode(single)) == half_to_even_code(float(single), fmt)


@pytest.mark.parametrize(
    "name", ["int3", "uint3", "int4narrow", "uint4narrow", "uint5z3", "int5z-2", "int1", "uint1"]
)
def test_arithmetic_equals_the_general_table(name: str) -> None:
    """`Integer` overrides what `NumberFormat` derives from a table; both must be the same."""
    fmt = parse(name)
    assert isinstance(fmt, Integer)
    for attribute in ("codes", "values", "integers"):
        ours, general = getattr(fmt, attribute), getattr(NumberFormat, attribute).fget(fmt)
        assert ours.dtype == general.dtype
        assert_array_equal(ours, general)
    x = np.linspace(fmt.low - 2, fmt.high + 2, 4 * (fmt.high - fmt.low + 4) + 1)
    for dtype in (np.float32, np.float64):
        assert_array_equal(fmt.limits(dtype), NumberFormat.limits(fmt, dtype))
        assert_array_equal(fmt.encode(x.astype(dtype)), NumberFormat.encode(fmt, x.astype(dtype)))
    codes = np.arange(2**fmt.width)
    assert_array_equal(fmt.decode(codes), NumberFormat.decode(fmt, codes))
    assert (fmt.minimum, fmt.maximum, fmt.has_zero) == (fmt.values[0], fmt.values[-1], 0 in fmt.values)


@pytest.mark.parametrize(
    ("zero_point", "expected"),
    [(0, [-2, -2, 0, 0, 2, 2]), (1, [-3, -1, -1, 1, 1, 3]), (2, [-2, -2, 0, 0, 2, 2])],
)
def test_ties_go_to_the_even_code_not_the_even_value(zero_point: int, expected: list[int]) -> None:
    fmt = Integer(8, zero_point=zero_point)
    assert fmt.quantise(np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])).tolist() == expected


def test_narrow_ranges_are_those_of_qonnx() -> None:
    """min_int and max_int of QONNX: signed narrow loses the minimum, unsigned narrow the maximum."""
    from qonnx.custom_op.general.intquant import max_int, min_int

    for width in range(2, 9):
        for signed in (False, True):
            for narrow in (False, True):
                fmt = Integer(width, signed, narrow)
                assert (fmt.low, fmt.high) == (
                    min_int(signed, narrow, width),
                    max_int(signed, narrow, width),
                ), fmt


@pytest.mark.parametrize("width", [17, 32, 63, 64])
@pytest.mark.parametrize("signed", [True, False])
def test_accumulators_have_ends_but_no_table(width: int, signed: bool) -> None:
    fmt = Integer(width, signed)
    assert (fmt.low, fmt.high) == (
        (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2**width - 1)
    )
    assert (fmt.minimum, fmt.maximum, fmt.zero_code, fmt.has_zero) == (
        float(fmt.low),
        float(fmt.high),
        0,
        True,
    )
    for attribute in ("codes", "values", "integers"):
        with pytest.raises(FormatError, match="accumulators have no table"):
            getattr(fmt, attribute)
    with pytest.raises(FormatError, match=f"an integer of at most 16 bits was expected, but {fmt} came"):
        fmt.encode(1.0)
    ends = np.array([fmt.low, -1 if signed else 0, 0, 1, min(fmt.high, 2**63 - 1)])
    codes = fmt.from_integers(ends)
    assert codes.dtype == fmt.code_dtype
    assert [int(c) for c in codes] == [int(e) % 2**width for e in ends]
    assert_array_equal(fmt.to_integers(codes), ends)


@given(st.integers(-(2**62), 2**62), st.integers(0, 2**62))
def test_narrowest_integer_for_a_range(low: int, extent: int) -> None:
    high = low + extent
    fmt = Integer.for_range(low, high)
    assert fmt.low <= low and high <= fmt.high
    if fmt.width > 1:
        narrower = Integer(fmt.width - 1, fmt.signed)
        assert not (narrower.low <= low and high <= narrower.high)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "int0",
            "an integer of 1 to 16 bits (accumulators: 64) was expected, but 0 bits came; use fewer bits",
        ),
        (
            "uint65",
            "an integer of 1 to 16 bits (accumulators: 64) was expected, but 65 bits came; use fewer bits",
        ),
        ("int1narrow", "a narrow integer of at least 2 bits was expected, but 1 bit came"),
        (
            "int8z99999999999",
            "a zero point of magnitude up to 4294967296 was expected, but 99999999999 came; check "
            "the quantiser",
        ),
    ],
)
def test_illegal_parameters(name: str, sentence: str) -> None:
    with pytest.raises(FormatError) as raised:
        parse(name)
    assert str(raised.value) == sentence


def test_rounding_is_not_done_twice() -> None:
    """x + zero point is not representable; adding first would round 0.49999999999999994 up."""
    fmt = Integer(8, signed=False, zero_point=2)
    x = np.nextafter(0.5, 0)
    assert x + 2 == 2.5 and floor(x) == 0
    assert fmt.quantise(x) == 0
    assert Integer(8, zero_point=3).quantise(np.nextafter(0.5, 0)) == 0
    assert Integer(8, zero_point=3).quantise(0.5) == 1


@pytest.mark.parametrize(("name", "code", "value"), [
    ("uint64", 2**64 - 1, 2.0**64),
    ("uint64", 2**63, 2.0**63),
    ("int64z4294967296", 2**63, -(2.0**63) - 2.0**32),
    ("uint64narrow", 2**64 - 1, 2.0**64),
    ("int64", 2**63, -(2.0**63)),
])  # fmt: skip
def test_values_beyond_int64(name: str, code: int, value: float) -> None:
    codes = np.array([[code]], np.uint64)
    assert_array_equal(parse(name).decode(codes), [[value]])
