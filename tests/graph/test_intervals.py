"""Enclosures hold what they enclose: held against the double-doubles of the reference."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from pyqkit.graph.lowering.intervals import NoValue, arithmetic
from pyqkit.graph.lowering.jets import Jet
from pyqkit.reference import smooth
from pyqkit.reference.distribution import error_function, gelu_tanh, normal
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.functions import logarithm, root

PLACES = [Fraction(n, 8) for n in range(-90, 91, 3)] + [Fraction(1, 2**30), Fraction(-30), Fraction(30)]
CUBIC = Fraction(44715, 10**6)
Pair = tuple[Callable[[Jet], Jet], Callable[[DoubleDouble], DoubleDouble], Callable[[Fraction], bool]]


def anywhere(x: Fraction) -> bool:
    return True


FUNCTIONS: dict[str, Pair] = {
    "exponential": (Jet.exponential, smooth.exponential, anywhere),
    "sigmoid": (Jet.sigmoid, smooth.sigmoid, anywhere),
    "tangent": (Jet.tangent, smooth.tanh, anywhere),
    "softplus": (Jet.softplus, smooth.softplus, anywhere),
    "error function": (Jet.error_function, error_function, anywhere),
    "normal": (Jet.normal, normal, anywhere),
    "logarithm": (Jet.logarithm, logarithm, lambda x: x > 0),
    "root": (Jet.root, root, lambda x: x >= 0),
    "gelu": (
        lambda x: x * ((x + x.power(3) * CUBIC).times_root_of_two_over_pi() * Fraction(2)).sigmoid(),
        lambda x: gelu_tanh(x, smooth.tanh),
        lambda x: abs(x) < 12,
    ),
}


def ends(jet: Jet) -> tuple[Fraction, Fraction]:
    found = jet.arithmetic.enclosed(jet.value)
    return Fraction(found.low), Fraction(found.high)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name: str) -> None:
    function, other, has_value = FUNCTIONS[name]
    places = [x for x in PLACES if has_value(x)]
    known = other(DoubleDouble.of(np.array([float(x) for x in places])))
    for index, x in enumerate(places):
        low, high = ends(function(Jet(arithmetic(60), x, None)))
        coarse = ends(function(Jet(arithmetic(25), x, None)))
        assert coarse[0] <= low <= high <= coarse[1]  # more digits, a smaller enclosure
        value = Fraction(float(known.high[index])) + Fraction(float(known.low[index]))
        error = Fraction(float(known.spread_error()[index]))
        assert low - error <= value <= high + error
        assert high - low <= Fraction(1, 10**18)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_slopes(name: str) -> None:
    """A difference of values is the difference of places times a slope between them (mean value theorem)."""
    function, _, has_value = FUNCTIONS[name]
    numbers = arithmetic(30)
    places = [x for x in PLACES if has_value(x) and x != 0]
    for x in places:
        y = x + abs(x) / 64
        found = function(Jet(numbers, numbers.between(x, y), Fraction(1)))
        at_x, at_y = (ends(function(Jet(arithmetic(60), place, None))) for place in (x, y))
        assert ends(found)[0] <= at_x[0] and at_x[1] <= ends(found)[1]
        assert found.slope is not None
        slope = numbers.enclosed(found.slope)
        assert Fraction(slope.low) <= (at_y[1] - at_x[0]) / (y - x)
        assert (at_y[0] - at_x[1]) / (y - x) <= Fraction(slope.high)


def test_exact_values_stay_exact() -> None:
    x = Jet(arithmetic(25), Fraction(0), None)
    assert (x.sigmoid().value, x.tangent().value, x.exponential().value) == (Fraction(1, 2), 0, 1)
    assert (x * x.softplus()).value == 0
    assert Jet(arithmetic(25), Fraction(9, 4), None).root().value == Fraction(3, 2)
    assert Jet(arithmetic(25), Fraction(1), None).logarithm().value == 0


def test_what_has_no_value_says_so() -> None:
    for function in (Jet.logarithm, Jet.root, Jet.reciprocal):
        x = Jet(arithmetic(25), arithmetic(25).between(Fraction(-1), Fraction(1)), None)
        with pytest.raises(NoValue):
            function(x)


def test_far_out_a_small_number_keeps_its_sign() -> None:
    x = Jet(arithmetic(25), Fraction(-1000), None)
    for found in (x * x.normal(), x * x.sigmoid(), x * x.softplus().tangent()):
        low, high = ends(found)
        assert low < high < 0
    assert arithmetic(25).normal(Decimal(50)).high <= 1
