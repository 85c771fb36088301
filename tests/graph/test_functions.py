"""Activation functions fold into the quantisers behind them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction

import numpy as np
import pytest

from pyqkit.graph.lowering import smooth
from pyqkit.graph.lowering.functions import Condition, compare
from pyqkit.graph.lowering.smooth import Smooth
from tests.graph.checked import check
from tests.graph.qonnx_builder import Builder

SMOOTH = ["Sigmoid", "Tanh", "Softplus", "Elu"]


@pytest.mark.parametrize("function", ["Clip", "LeakyRelu", "PRelu", "HardSigmoid", "Neg", *SMOOTH])
def test_functions_fold_into_thresholds(function: str) -> None:
    b = Builder(4, 5, 5)
    x = b.batch_norm(b.conv(b.quantise("x", "int4", 0.5), "int4", 4, 4), 4)
    inputs = {
        "Clip": [b.constant(-1.5), b.constant(2.25)],
        "PRelu": [b.constant(np.linspace(0.1, 2, 4).reshape(4, 1, 1))],
    }.get(function, [])
    x = b.node(function, x, *inputs)
    x = b.node(
        "Add", b.node("Mul", x, b.constant(np.array([1.5, -2, 0, 0.3]).reshape(4, 1, 1))), b.constant(0.25)
    )
    check(b.model(b.quantise(x, "int4", 0.3)))


@pytest.mark.parametrize("function", SMOOTH)
def test_inverses_decide_as_the_function_does(function: str) -> None:
    """At every sixteenth from -20 to 20, for boundaries all over the range.

    The function itself to 80 digits.
    """
    context = Context(prec=80)

    def power(x: Decimal) -> Decimal:
        return context.exp(x)

    rules: dict[str, tuple[Smooth, Callable[[Decimal], Decimal]]] = {
        "Sigmoid": (smooth.SIGMOID, lambda x: context.divide(Decimal(1), 1 + power(-x))),
        "Tanh": (smooth.TANH, lambda x: context.divide(power(2 * x) - 1, power(2 * x) + 1)),
        "Softplus": (smooth.SOFTPLUS, lambda x: context.ln(1 + power(x))),
        "Elu": (smooth.elu(Fraction(1)), lambda x: x if x >= 0 else power(x) - 1),
    }
    rule, exact = rules[function]
    points = [Fraction(n, 16) for n in range(-320, 321)]
    for boundary in [Fraction(n, 64) for n in range(-80, 81)]:
        for inclusive in (True, False):
            outcome = rule.before(Condition(boundary, inclusive), 0)
            for x in points[:: 7 if boundary else 1]:
                difference = context.subtract(exact(Decimal(float(x))), Decimal(float(boundary)))
                wanted = difference > 0 or (inclusive and difference == 0)
                assert (outcome if isinstance(outcome, bool) else compare(x, outcome)) == wanted
