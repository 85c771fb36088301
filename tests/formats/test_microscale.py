"""Microscaled blocks: the four scale rules in exact arithmetic, the range of E8M0, zero blocks, shapes."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from pyqkit.formats import FormatError, Microscaled, examples, parse

BLOCKS = [f for f in examples() if isinstance(f, Microscaled)]
RULES = ("floor", "ceil", "even", "mse")
POWERS = range(-100, 101)
# emax of OCP MX 1.0, table 1 (there MXINT8 elements carry an implied 2**-6; here they are integers, hence 6)
LARGEST_EXPONENT = {
    "e2m1": 2,
    "e2m3": 2,
    "e3m2": 4,
    "e4m3fn": 8,
    "e5m2ieee": 15,
    "int8": 6,
    "e4m3": 8,
    "e5m2": 16,
    "int4": 2,
    "lp4_0_3": 2,
}
SIGNIFICAND_BITS = {
    "e2m1": 1,
    "e2m3": 3,
    "e3m2": 2,
    "e4m3": 3,
    "e5m2": 2,
    "e4m3fn": 3,
    "e5m2ieee": 2,
    "int8": 6,
    "int4": 2,
}


def floor_log2(x: Fraction) -> int:
    exponent = x.numerator.bit_length() - x.denominator.bit_length()
    return exponent if Fraction(2) ** exponent <= x else exponent - 1


def expected_exponent(fmt: Microscaled, block: np.ndarray) -> int:
    """The shared exponent by the text of the rule, in fractions."""
    largest = max(abs(Fraction(float(v))) for v in block)
    if largest == 0:
        return -127
    floor = floor_log2(largest) - LARGEST_EXPONENT[fmt.element.name]
    shared = floor
    if fmt.rule == "ceil":
        shared += largest != Fraction(2) ** floor_log2(largest)
    elif fmt.rule == "even":
        step = Fraction(2) ** (floor_log2(largest) - SIGNIFICAND_BITS[fmt.element.name])
        shared += floor_log2(round(largest / step) * step) - floor_log2(largest)
    elif fmt.rule == "mse":
        shared = min(
            (e for e in sorted({_held(floor + i) for i in range(-1, 3)})),
            key=lambda e: squared_error(fmt, block, e),
        )
    return _held(shared)


def _held(exponent: int) -> int:
    return min(max(exponent, -127), 127)


def squared_error(fmt: Microscaled, block: np.ndarray, exponent: int) -> Fraction:
    scale = Fraction(2) ** exponent
    total = Fraction(0)
    for v in block:
        x = Fraction(float(v)) / scale
        total += ((Fraction(float(fmt.element.quantise(float(x)))) - x) * scale) ** 2
    return total


@pytest.mark.parametrize("element", LARGEST_EXPONENT)
def test_largest_exponents(element: str) -> None:
    assert Microscaled(parse(element)).largest_exponent == LARGEST_EXPONENT[element]  # type: ignore[arg-type]


@pytest.mark.parametrize("element", SIGNIFICAND_BITS)
@pytest.mark.parametrize("rule", ["floor", "ceil", "even"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_just_below_at_and_just_above_201_powers_of_two(element: str, rule: str, dtype: type) -> None:
    """A floating-point log2 is wrong for nearly all numbers just below a power of two."""
    fmt = Microscaled(parse(element), 4, rule)  # type: ignore[arg-type]
    powers = np.array([2.0**k for k in POWERS], dtype)
    assert len(powers) == 201
    for largest in (
        np.nextafter(powers, dtype(0)),
        powers,
        np.nextafter(powers, dtype(np.inf)),
        powers * dtype(1.75),
    ):
        blocks = largest[:, None] * np.array([0.25, -1.0, 0.0, 0.5], dtype)
        assert_array_equal(fmt.scale_exponents(blocks), [expected_exponent(fmt, block) for block in blocks])
    below = np.nextafter(powers, dtype(0))[:, None]
    if rule == "floor":
        assert_array_equal(fmt.scale_exponents(below) + fmt.largest_exponent, np.array(POWERS) - 1)
    else:  # both round up to the power of two itself
        assert_array_equal(fmt.scale_exponents(below) + fmt.largest_exponent, POWERS)


@pytest.mark.parametrize("element", ["e2m1", "e4m3", "int4", "int8"])
def test_mse_is_the_best_of_four(element: str) -> None:
    fmt = Microscaled(parse(element), 6, "mse")  # type: ignore[arg-type]
    blocks = np.random.default_rng(0).standard_normal((40, 6)) * np.exp2(np.arange(40) - 20)[:, None]
    blocks[:4] = [[1, 0, 0, 0, 0, 0], [6, 6, 6, 6, 6, 6], [7, 0.1, 0, 0, 0, 0], [0.75] * 6]
    assert_array_equal(fmt.scale_exponents(blocks), [expected_exponent(fmt, block) for block in blocks])


@pytest.mark.parametrize("fmt", BLOCKS, ids=str)
def test_round_trip(fmt: Microscaled) -> None:
    """What was quantised once does not change when quantised with the exponents it has."""
    x = np.random.default_rng(3).standard_normal((3, 70)) * np.exp2(np.arange(70) // 7 - 5)
    codes, exponents = fmt.encode(x)
    assert codes.shape == x.shape and codes.dtype == fmt.element.code_dtype and exponents.shape == (3, 3)
    values = fmt.decode(codes, exponents)
    scaled = np.ldexp(values, -np.repeat(exponents, 32, axis=-1)[:, :70])
    assert_array_equal(fmt.element.encode(scaled), codes)
    assert_array_equal(fmt.quantise(x), values)
    # -8 of int4 is a larger power of two than 7.
    if fmt.rule == "floor" and fmt.element.minimum == -fmt.element.maximum:
        again, same = fmt.encode(values)
        assert_array_equal(fmt.decode(again, same), values)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_any_axis_and_a_short_last_block(rule: str, axis: int) -> None:
    fmt = Microscaled(parse("e2m1"), 4, rule)  # type: ignore[arg-type]
    x = np.random.default_rng(4).standard_normal((6, 5, 7))
    codes, exponents = fmt.encode(x, axis)
    length = x.shape[axis]
    assert codes.shape == x.shape and exponents.shape[-1] == -(-length // 4)
    moved, moved_codes = np.moveaxis(x, axis, -1), np.moveaxis(codes, axis, -1)
    for i in np.ndindex(moved.shape[:-1]):
        for b in range(0, length, 4):
            part, part_codes = moved[i][b : b + 4], moved_codes[i][b : b + 4]
            exponent = fmt.scale_exponents(part[None])[0]
            assert exponents[(*i, b // 4)] == exponent
            assert_array_equal(part_codes, fmt.element.encode(np.ldexp(part, -exponent)))
    assert_array_equal(fmt.decode(codes, exponents, axis), fmt.quantise(x, axis))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("element", ["e2m1", "int8", "lp4_0_3"])
def test_limits_of_e8m0_zeros_and_infinities(rule: str, element: str) -> None:
    fmt = Microscaled(parse(element), 2, rule)  # type: ignore[arg-type]
    top = fmt.element.maximum
    tiny, huge = 2.0**-1000, np.finfo(np.float64).max
    blocks = np.array([[0, 0], [-0.0, 0], [tiny, 0], [5e-324, 0], [huge, -huge], [np.inf, 1], [-np.inf, 1]])
    codes, exponents = fmt.encode(blocks.ravel())
    assert exponents.dtype == np.int32
    assert exponents.tolist() == [-127, -127, -127, -127, 127, 127, 127]
    values = fmt.decode(codes, exponents).reshape(-1, 2)
    assert_array_equal(values[:4], 0)
    assert np.isfinite(values).all()
    largest = np.ldexp([top, fmt.element.minimum], 127)
    assert_array_equal(values[4], largest)
    assert (values[5, 0], values[6, 0]) == (largest[0], largest[1])


@pytest.mark.parametrize("rule", RULES)
def test_scaling_by_a_power_of_two_moves_only_the_exponent(rule: str) -> None:
    fmt = Microscaled(parse("e3m2"), 8, rule)  # type: ignore[arg-type]
    x = np.random.default_rng(5).standard_normal(64)
    codes, exponents = fmt.encode(x)
    for k in (-60, -1, 1, 60):
        moved, shifted = fmt.encode(np.ldexp(x, k))
        assert_array_equal(moved, codes)
        assert_array_equal(shifted, exponents + k)


@settings(max_examples=60)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=12),
    st.sampled_from(["floor", "ceil", "even"]),
)
def test_any_block(numbers: list[float], rule: str) -> None:
    fmt = Microscaled(parse("e2m3"), 16, rule)  # type: ignore[arg-type]
    block = np.array(numbers)
    _, exponents = fmt.encode(block)
    assert exponents.tolist() == [expected_exponent(fmt, block)]
    if rule == "ceil" and block.any():
        assert (
            np.abs(block).max() <= np.ldexp(2.0**fmt.largest_exponent, exponents[0]) or exponents[0] == -127
        )


def test_bits_count_the_share_of_the_scale() -> None:
    assert parse("mx32_e2m1").bits == 4.25
    assert parse("mx16_int8").bits == 8.5


def test_bad_input() -> None:
    with pytest.raises(FormatError, match="numbers were expected to encode as mx32_e2m1, but NaN came"):
        parse("mx32_e2m1").encode(np.array([np.nan]))
    with pytest.raises(
        FormatError,
        match="a block of 1 to 65536 elements and a rule out of floor, ceil, even, mse were expected, but "
        "mx0_e2m1 came",
    ):
        parse("mx0_e2m1")
    with pytest.raises(
        FormatError,
        match="an element format with a zero and up to 16 bits was expected in a microscaled block, but "
        "odd2 came",
    ):
        parse("mx32_odd2")
    with pytest.raises(FormatError, match="a rule out of"):
        Microscaled(parse("e2m1"), 32, "round")  # type: ignore[arg-type]
