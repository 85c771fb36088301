"""Arithmetic of the reference against fractions.

What it says is exact is, and its bound holds where it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("onnx")

from pyqkit.formats import parse
from pyqkit.reference import smooth
from pyqkit.reference.blocks import shared_exponents
from pyqkit.reference.doubledouble import DoubleDouble, concatenated, where
from pyqkit.reference.node import Node
from pyqkit.reference.products import exact_sums, sum_of_products
from pyqkit.reference.quantised import Quantised
from pyqkit.reference.ratio import Ratio
from pyqkit.reference.rounding import MODES, Grid, decide


def exact(x: DoubleDouble) -> list[Fraction]:
    return [Fraction(h) + Fraction(low) for h, low in zip(x.high.ravel().tolist(), x.low.ravel().tolist())]


def numbers(count: int = 200, seed: int = 0, bits: int = 53) -> DoubleDouble:
    """Numbers of many sizes; of more than 53 bits where `bits` says so."""
    draw = np.random.default_rng(seed)
    high = np.ldexp(draw.normal(0, 1, count), draw.integers(-30, 30, count))
    low = np.ldexp(high, -54) * draw.uniform(-1, 1, count) if bits > 53 else np.zeros(count)
    return DoubleDouble(high, low)


OPERATIONS: dict[str, tuple[Callable[..., DoubleDouble], Callable[..., Fraction]]] = {
    "sum": (lambda a, b: a + b, lambda a, b: a + b),
    "difference": (lambda a, b: a - b, lambda a, b: a - b),
    "product": (lambda a, b: a * b, lambda a, b: a * b),
    "quotient": (lambda a, b: a.divided(b), lambda a, b: a / b),
    "product_of_sums": (lambda a, b: (a + b) * (a - b), lambda a, b: (a + b) * (a - b)),
}


@pytest.mark.parametrize("bits", [53, 106])
@pytest.mark.parametrize("name", OPERATIONS)
def test_error_is_bounded_and_small(name: str, bits: int) -> None:
    ours, right = OPERATIONS[name]
    a, b = numbers(bits=bits), numbers(seed=1, bits=bits)
    found = ours(a, b)
    wanted = [right(x, y) for x, y in zip(exact(a), exact(b))]
    for value, true, bound in zip(exact(found), wanted, found.spread_error().ravel()):
        assert abs(value - true) <= Fraction(float(bound))
        assert bound <= abs(float(true)) * 2.0**-95 + 2.0**-120 or name == "product_of_sums"


def test_products_and_sums_of_few_bits_are_known_to_be_exact() -> None:
    draw = np.random.default_rng(0)
    codes = DoubleDouble.of(draw.integers(-(2**20), 2**20, 100).astype(np.float64))
    factor, offset = DoubleDouble.of(np.float32(0.1)), DoubleDouble.of(np.float32(0.3))
    value = codes * factor * factor + offset
    assert value.is_exact
    assert exact(value) == [
        c * Fraction(float(np.float32(0.1))) ** 2 + Fraction(float(np.float32(0.3))) for c in exact(codes)
    ]
    assert (codes * DoubleDouble.of(3.0)).divided(3.0).error.max() == 0


def test_bounds_pass_through_moves_and_choices() -> None:
    a = numbers(6).within(np.arange(6.0))
    assert a.map(lambda v: v[::-1]).error.tolist() == a.error[::-1].tolist()
    b = DoubleDouble.of(np.ones(6))
    np.testing.assert_array_equal(
        where(np.arange(6) % 2 == 0, a, b).error > 0, [False, False, True, False, True, False]
    )
    np.testing.assert_array_equal(concatenated([b, a], 0).error[:6], 0)
    assert (a.total((0,)).error >= 15).all()


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softplus", "elu"])
def test_smooth_functions_against_sixty_digits(name: str) -> None:
    right: Callable[[Decimal], Decimal] = {
        "sigmoid": lambda x: 1 / (1 + (-x).exp()),
        "tanh": lambda x: ((2 * x).exp() - 1) / ((2 * x).exp() + 1),
        "softplus": lambda x: (1 + x.exp()).ln(),
        "elu": lambda x: x if x >= 0 else x.exp() - 1,
    }[name]
    points = np.array([-40.0, -9.3, -1.0, -0.001, 0.0, 1e-9, 0.3, 2.0, 20.0])
    function = {"elu": lambda x: smooth.elu(x, np.float32(1))}.get(name, getattr(smooth, name))
    found = function(DoubleDouble.of(points))
    for point, value, bound in zip(points, exact(found), found.spread_error()):
        with localcontext() as context:
            context.prec = 80
            wanted = Fraction(right(Decimal(point)))
        assert abs(value - wanted) <= Fraction(float(bound)) + abs(wanted) * Fraction(1, 10**55)
        assert bound <= 2.0**-80


def _nearest(value: Fraction, mode: str) -> int:
    """Rounding to an integer as the modes of QONNX are described."""
    floor, rest = value.numerator // value.denominator, value % 1
    away = floor + 1 if value > 0 else floor  # of the two neighbours the one farther from zero
    toward = 2 * floor + 1 - away
    if not rest:
        return floor
    if mode == "FLOOR":
        return floor
    if mode == "CEIL":
        return floor + 1
    if mode in ("DOWN", "ROUND_TO_ZERO", "UP"):
        return away if mode == "UP" else toward
    if rest != Fraction(1, 2):
        return floor + (rest > Fraction(1, 2))
    return {"HALF_UP": away, "HALF_DOWN": toward}.get(mode, floor + floor % 2)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("zero_point", [0, 3])
def test_every_rounding_mode_on_and_beside_every_boundary(mode: str, zero_point: int) -> None:
    step = float(np.float32(0.3))
    grid = Grid.of_integers(-8, 7, zero_point, mode)
    halves = DoubleDouble.of(np.arange(-24, 25) / 2) * DoubleDouble.of(step)
    sliver = DoubleDouble.of(2.0**-75)
    for x in (halves, halves + sliver, halves - sliver):
        found = decide(x, DoubleDouble.of(step), grid)
        shifted = [value / Fraction(step) + zero_point for value in exact(x)]
        wanted = [min(max(_nearest(value, mode), -8), 7) - zero_point for value in shifted]
        np.testing.assert_array_equal(grid.contents[found.index], wanted)
        assert found.undecided == 0 and (found.ties > 0) == (x is halves)


@pytest.mark.parametrize(
    "name", ["e2m1", "e3m0", "ue3m2", "e4m3fn", "odd2", "lp4_0_3", "int4narrow", "uint4z5"]
)
def test_rounding_to_formats_is_their_own_encoding(name: str) -> None:
    fmt = parse(name).base
    grid = Grid.of_format(fmt)
    unit = 1 if fmt.is_logarithmic else fmt.unit
    middles = (fmt.values[1:] + fmt.values[:-1]) / 2
    points = np.concatenate(
        [
            fmt.values,
            middles,
            np.nextafter(middles, np.inf),
            np.nextafter(middles, -np.inf),
            [1e9, -1e9, np.inf],
        ]
    )
    found = decide(DoubleDouble.of(points), DoubleDouble.of_fraction(Fraction(unit)), grid)
    np.testing.assert_array_equal(fmt.codes[found.index], fmt.encode(points))


def test_a_value_that_is_not_known_well_enough_is_undecided() -> None:
    tie = DoubleDouble.of(np.array([0.5, 0.75])).within(np.array([2.0**-100, 2.0**-100]))
    assert decide(tie, DoubleDouble.of(1.0), Grid.of_integers(-8, 7, 0, "ROUND")).undecided == 1


def test_averages_keep_their_ties() -> None:
    ninth = Ratio(DoubleDouble.of(np.array([9.0, 27.0])), DoubleDouble.of(9.0)) * Ratio(DoubleDouble.of(0.5))
    both = (
        ninth
        + Ratio(DoubleDouble.of(np.array([1.0, 1.0])), DoubleDouble.of(3.0))
        - Ratio(DoubleDouble.of(1.0), DoubleDouble.of(3.0))
    )
    found = decide(both.numerator, both.divisor, Grid.of_integers(-8, 7, 0, "ROUND"))
    assert (found.ties, found.undecided, found.index.tolist()) == (2, 0, [8, 10])


def _sums(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return left @ right.T


def test_sums_beyond_53_bits_are_exact() -> None:
    draw = np.random.default_rng(2)
    a, b = (draw.integers(-(2**40), 2**40, (3, 5)).astype(np.float64) for _ in range(2))
    found = exact_sums(a, b, _sums)
    wanted = [sum(int(x) * int(y) for x, y in zip(row, column)) for row in a for column in b]
    assert found.is_exact and exact(found) == wanted


def test_products_of_real_numbers_are_exact_or_bounded() -> None:
    node = Node("sum", "MatMul", [], [True, False], 1, {}, 1, lambda inputs: [])
    # One for each input: no factor comes out of the sum.
    scales = DoubleDouble.of(np.float32([0.1, 0.7, 3.0, 0.01]))
    codes = np.random.default_rng(1).integers(-8, 8, (2, 4))
    weights = Quantised(
        np.array([[1, -2, 3, 4], [5, 6, -7, 0]]), parse("int4"), DoubleDouble.of(np.float32(0.3))
    )
    found = sum_of_products(node, Quantised(codes, parse("int4"), scales), weights, 1, _sums, (-1,)).real
    third = Fraction(float(np.float32(0.3)))
    wanted = [
        sum(int(c) * s * int(w) * third for c, s, w in zip(row, exact(scales), column))
        for row in codes
        for column in weights.content
    ]
    assert found.is_exact and exact(found) == wanted


@pytest.mark.parametrize("rule", ["floor", "ceil", "even", "mse"])
@pytest.mark.parametrize("element", ["e2m1", "int4", "lp4_0_3", "e4m3"])
def test_shared_exponents_are_those_of_the_format(rule: str, element: str) -> None:
    fmt = parse(f"mx4_{element}_{rule}")
    x = np.random.default_rng(3).normal(0, 1, (5, 10)) * 2.0 ** np.arange(10)
    x[0], x[1, :4] = 0.0, [6.0, 7.9, 4.0, 0.1]
    ours = shared_exponents(x, fmt, 1)
    np.testing.assert_array_equal(ours[:, ::4], fmt.encode(x, 1)[1])
