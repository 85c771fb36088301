"""Every format of up to 8 bits, every code.

The invariants I1 to I4 of `pyqkit.formats.base`, against `oracle`.
"""

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pyqkit.formats import FormatError, NumberFormat, examples, parse
from tests.formats.oracle import Grid, grid

SMALL = [f for f in examples() if isinstance(f, NumberFormat) and f.bits <= 8]
EXTRA = [
    "int3narrow",
    "uint4narrow",
    "uint8z3",
    "int5z3",
    "int4z-7",
    "int6narrowz1",
    "lp5_1_2@0.3",
    "lp8_2_2@-3.75",
]
FORMATS = SMALL + [parse(name) for name in EXTRA]
every_format = pytest.mark.parametrize("fmt", FORMATS, ids=str)
FLOATS = (np.float32, np.float64)


def test_the_list_is_complete() -> None:
    names = {f.name for f in FORMATS}
    assert {f"int{n}" for n in range(1, 9)} | {f"uint{n}" for n in range(1, 9)} <= names
    assert {f"e{x}m{n - 1 - x}" for n in range(3, 9) for x in range(1, n)} <= names
    assert {f"ue{x}m{n - x}" for n in range(3, 9) for x in range(1, n + 1)} <= names
    assert {"e4m3fn", "e5m2ieee", *(f"odd{n}" for n in range(1, 9))} <= names
    assert sum(name.startswith("lp") and "@" not in name for name in names) == 168


@every_format
def test_every_code_means_what_the_definition_says(fmt: NumberFormat) -> None:
    expected = grid(fmt).by_code
    decoded = fmt.decode(np.arange(2**fmt.bits))
    for code in range(2**fmt.bits):
        if code in expected:
            assert decoded[code] == float(expected[code]), code
            assert fmt.exact(code) * fmt.prescale == expected[code], code  # type: ignore[operator]
        else:
            assert fmt.exact(code) is None, code


@every_format
def test_values_round_trip(fmt: NumberFormat) -> None:
    """I1, and that every code of a number comes back (minus zero as plus zero)."""
    expected = grid(fmt)
    for dtype in FLOATS:
        if dtype is np.float64 or _fits_float32(fmt):
            codes = fmt.encode(fmt.values.astype(dtype))
            assert codes.dtype == fmt.code_dtype
            assert_array_equal(codes, fmt.codes)
            assert_array_equal(fmt.decode(codes), fmt.values)
    numbers = np.array(sorted(expected.by_code))
    back = fmt.encode(fmt.decode(numbers))
    assert back.tolist() == [expected.code_of[expected.by_code[int(c)]] for c in numbers]


def _fits_float32(fmt: NumberFormat) -> bool:
    return not fmt.is_logarithmic and fmt.maximum < 3e38


@every_format
def test_values_increase_beside_their_codes(fmt: NumberFormat) -> None:
    """I2."""
    assert np.all(np.diff(fmt.values) > 0)
    assert_array_equal(fmt.decode(fmt.codes), fmt.values)
    assert [float(v) for v in grid(fmt).values] == fmt.values.tolist()
    assert (fmt.minimum, fmt.maximum) == (fmt.values[0], fmt.values[-1])


@every_format
def test_integers_are_the_values(fmt: NumberFormat) -> None:
    """I3; for a logarithmic format the integer is the value rounded to 7 fraction bits."""
    for code, integer in enumerate(fmt.integers):
        exact = fmt.exact(code)
        if exact is None:
            assert integer == (0 if fmt.integer(code) is None else fmt.integer(code))
        elif fmt.is_logarithmic:
            assert abs(int(integer) * fmt.unit - exact) <= abs(exact) / 2**8
        else:
            assert int(integer) * fmt.unit == exact


@every_format
def test_rounding_at_every_midpoint_and_its_neighbours(fmt: NumberFormat) -> None:
    """I4, and the tie rule."""
    expected = grid(fmt)
    middles = [(a + b) / 2 for a, b in zip(expected.values, expected.values[1:])]
    for dtype in FLOATS:
        with np.errstate(over="ignore", under="ignore"):
            near = np.array([float(m) for m in middles]).astype(dtype)
            points = np.concatenate(
                [np.nextafter(near, dtype(-np.inf)), near, np.nextafter(near, dtype(np.inf))]
            )
        points = points[np.isfinite(points)]
        assert_array_equal(
            fmt.encode(points), [expected.code_of[expected.round(Fraction(float(x)))] for x in points]
        )


@every_format
def test_ties_are_hit(fmt: NumberFormat) -> None:
    """The midpoint test means something only if float64 holds the midpoints themselves."""
    if not fmt.is_logarithmic:
        exact = [(b.position, b.inclusive) for b in fmt.boundaries()]
        assert all(Fraction(float(position)) == position for position, _ in exact)
        expected = grid(fmt)
        assert [inclusive for _, inclusive in exact] == [
            expected.round(position) == high for (position, _), high in zip(exact, expected.values[1:])
        ]


@every_format
def test_encoding_is_monotone_and_steps_at_the_limits(fmt: NumberFormat) -> None:
    """I4: the last number below a limit takes the lower code."""
    for dtype in FLOATS:
        limits = fmt.limits(dtype)
        rises = limits[1:] > limits[:-1]
        assert np.all(rises | (limits[1:] == limits[:-1]))
        inside = np.abs(limits) < np.finfo(dtype).max
        last = inside & np.append(rises, True)  # beyond the reach of float32 several limits coincide
        assert_array_equal(fmt.encode(limits[last]), fmt.codes[1:][last])
        first = inside & np.append(True, rises)[: len(limits)]
        assert_array_equal(fmt.encode(np.nextafter(limits[first], dtype(-np.inf))), fmt.codes[:-1][first])


@every_format
def test_directed_roundings(fmt: NumberFormat) -> None:
    values = [fmt.exact(int(c)) or Fraction(0) for c in fmt.codes]
    takes_upper = {
        "floor": lambda low, high: False,
        "ceil": lambda low, high: True,
        "to_zero": lambda low, high: high <= fmt.origin,
        "from_zero": lambda low, high: low >= fmt.origin,
    }
    for rounding, upper in takes_upper.items():
        for boundary, low, high in zip(fmt.boundaries(rounding), values, values[1:]):
            reached = [
                boundary.position < p or (boundary.position == p and boundary.inclusive)
                for p in (low, (low + high) / 2, high)
            ]
            assert reached == [False, upper(low, high) or (low < 0 < high and rounding == "to_zero"), True]


@every_format
def test_ties_away_from_zero_and_towards_it(fmt: NumberFormat) -> None:
    values = [fmt.exact(int(c)) or Fraction(0) for c in fmt.codes]
    away, towards = fmt.boundaries("half_from_zero"), fmt.boundaries("half_to_zero")
    for first, second, low, high in zip(away, towards, values, values[1:]):
        assert first.position == second.position == (low + high) / 2
        assert first.inclusive == (low >= fmt.origin) != second.inclusive


@every_format
def test_saturation_infinities_zero_and_bad_input(fmt: NumberFormat) -> None:
    ends = [-np.inf, np.finfo(np.float64).min, np.finfo(np.float64).max, np.inf]
    assert_array_equal(fmt.encode(np.array(ends)), fmt.codes[[0, 0, -1, -1]])
    assert_array_equal(fmt.encode(np.array([-np.inf, np.inf], np.float32)), fmt.codes[[0, -1]])
    if fmt.has_zero:
        assert fmt.decode(fmt.zero_code) == 0 and not np.signbit(fmt.decode(fmt.zero_code))
        assert_array_equal(fmt.encode(np.array([0.0, -0.0])), [fmt.zero_code] * 2)
    else:
        with pytest.raises(FormatError, match="has no code for zero"):
            _ = fmt.zero_code
    with pytest.raises(FormatError, match="NaN came; remove NaNs"):
        fmt.encode(np.array([0.0, np.nan]))
    with pytest.raises(FormatError, match="integer codes were expected"):
        fmt.decode(np.array([1.0]))
    for code in (-1, 2**fmt.bits):
        with pytest.raises(FormatError, match=f"codes from 0 to {2**fmt.bits - 1} were expected"):
            fmt.decode(np.array([code]))


def test_the_oracle_can_fail() -> None:
    """A format with the wrong tie rule is caught by the midpoint test."""
    right = grid(parse("e2m1"))
    wrong = Grid(right.by_code, lambda low, high: not right.upper_at_tie(low, high))
    middles = [(a + b) / 2 for a, b in zip(right.values, right.values[1:])]
    assert all(right.round(m) != wrong.round(m) for m in middles)


def test_what_is_not_a_number_is_refused() -> None:
    with pytest.raises(FormatError, match="real numbers were expected to encode as e2m1, but str came"):
        parse("e2m1").encode("hello")  # type: ignore[arg-type]
    with pytest.raises(
        FormatError, match="a rounding out of nearest, floor, .*, half_to_zero was expected, but 'odd' came"
    ):
        parse("e2m1").boundaries("odd")
