"""Functions that rise and fall: tables, and thresholds piece by piece, against the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyqkit.graph.graph import Graph
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from tests.graph.checked import check
from tests.graph.qonnx_builder import Builder

Make = Callable[[Builder, str], str]


def positive(b: Builder, x: str) -> str:
    """Numbers from a quarter on."""
    return b.node("Add", b.node("Abs", x), b.constant(0.25))


def gelu_by_erf(b: Builder, x: str) -> str:
    """As exporters of op-sets before 20 write it."""
    erf = b.node("Erf", b.node("Div", x, b.constant(np.sqrt(2))))
    return b.node("Mul", b.node("Mul", x, b.node("Add", erf, b.constant(1.0))), b.constant(0.5))


def gelu_by_tanh(b: Builder, x: str) -> str:
    """As exporters of op-sets before 20 write it."""
    cubic = b.node("Mul", b.node("Pow", x, b.constant(3.0)), b.constant(0.044715))
    tanh = b.node("Tanh", b.node("Mul", b.node("Add", x, cubic), b.constant(0.7978845608)))
    return b.node("Mul", b.node("Mul", x, b.constant(0.5)), b.node("Add", tanh, b.constant(1.0)))


def hard_swish(b: Builder, x: str) -> str:
    """As it is written out by PyTorch."""
    share = b.node("Clip", b.node("Add", x, b.constant(3.0)), b.constant(0.0), b.constant(6.0))
    return b.node("Div", b.node("Mul", x, share), b.constant(6.0))


def by_channel(b: Builder) -> str:
    """Numbers of both signs for four channels."""
    return b.constant(np.array([-1, -0.5, 0, 0.5]).reshape(4, 1, 1))


FUNCTIONS: dict[str, Make] = {
    "Gelu": lambda b, x: b.node("Gelu", x),
    "Gelu tanh": lambda b, x: b.node("Gelu", x, approximate="tanh"),
    "GELU by Erf": gelu_by_erf,
    "GELU by Tanh": gelu_by_tanh,
    "SiLU": lambda b, x: b.node("Mul", x, b.node("Sigmoid", x)),
    "SiLU normed": lambda b, x: b.batch_norm(b.node("Mul", x, b.node("Sigmoid", x)), 4),
    "HardSwish": lambda b, x: b.node("HardSwish", x),
    "HardSwish by Clip": hard_swish,
    "HardSwish by HardSigmoid": lambda b, x: b.node("Mul", x, b.node("HardSigmoid", x, alpha=1 / 6)),
    "Mish": lambda b, x: b.node("Mish", x),
    "Mish by Softplus": lambda b, x: b.node("Mul", x, b.node("Tanh", b.node("Softplus", x))),
    "Abs": lambda b, x: b.node("Abs", x),
    "Pow 2": lambda b, x: b.node("Pow", x, b.constant(2.0)),
    "Pow -1.3": lambda b, x: b.node("Pow", positive(b, x), b.constant(-1.3)),
    "Softsign by Abs": lambda b, x: b.node("Div", x, b.node("Add", b.node("Abs", x), b.constant(1.0))),
    "Softsign": lambda b, x: b.node("Softsign", x),
    "Selu": lambda b, x: b.node("Selu", x),
    "Celu": lambda b, x: b.node("Celu", x, alpha=0.7),
    "Elu falling": lambda b, x: b.node("Elu", x, alpha=-0.5),
    "LeakyRelu falling": lambda b, x: b.node("LeakyRelu", x, alpha=-0.25),
    "PRelu": lambda b, x: b.node("PRelu", x, by_channel(b)),
    "Sign": lambda b, x: b.node("Sign", x),
    "ThresholdedRelu": lambda b, x: b.node("ThresholdedRelu", x, alpha=0.5),
    "ThresholdedRelu below": lambda b, x: b.node("ThresholdedRelu", x, alpha=-0.5),
    "Shrink": lambda b, x: b.node("Shrink", x, lambd=0.4, bias=0.25),
    "Exp": lambda b, x: b.node("Exp", x),
    "Log": lambda b, x: b.node("Log", positive(b, x)),
    "Sqrt": lambda b, x: b.node("Sqrt", b.node("Relu", x)),
    "Reciprocal": lambda b, x: b.node("Reciprocal", positive(b, x)),
    "constant over it": lambda b, x: b.node("Div", b.constant(-0.75), positive(b, x)),
    "Erf": lambda b, x: b.node("Erf", x),
    "Max": lambda b, x: b.node("Max", x, by_channel(b), b.constant(-2.0)),
    "Min": lambda b, x: b.node("Min", x, b.node("Neg", x), b.constant(-0.25)),
}
WIDE = (
    "Gelu",
    "GELU by Erf",
    "SiLU",
    "SiLU normed",
    "HardSwish by Clip",
    "Mish",
    "PRelu",
    "Shrink",
    "Log",
    "Max",
)


def network(make: Make, wide: bool, out: str = "int6", scale: float = 0.07, **attributes: Any) -> Any:
    """A function of codes, or of sums of several scales and signs."""
    b = Builder(4, 3, 3)
    x = b.quantise("x", "int6", 0.125)
    y = make(b, b.batch_norm(b.conv(x, "int4", 4, 4, 3), 4) if wide else x)
    model = b.model(b.quantise(y, out, scale, **attributes))
    model.opset_import[0].version = 20
    return model


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.operators]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_codes(name: str) -> None:
    assert kinds(check(network(FUNCTIONS[name], wide=False))) in (["lookup"], ["threshold"])


@pytest.mark.parametrize("name", WIDE)
def test_functions_of_sums(name: str) -> None:
    assert kinds(check(network(FUNCTIONS[name], wide=True))) == ["convolution", "threshold"]


@pytest.mark.parametrize("wide", [False, True], ids=["codes", "sums"])
@pytest.mark.parametrize("name", ["GELU by Erf", "SiLU", "HardSwish"])
def test_far_out_a_floor_tells_a_small_negative_number_from_zero(name: str, wide: bool) -> None:
    check(network(FUNCTIONS[name], wide, "uint6z32", rounding_mode="FLOOR"))


def test_a_turning_point_on_a_tie() -> None:
    """HardSwish has its least value -3/8 at -3/2; with a step of 1/4 that is a tie, and goes to -2."""
    graph = check(network(FUNCTIONS["HardSwish"], False, "int4", 0.25))
    (table,) = graph.operators
    assert table.codes[0, -12 & 63] == -2 & 15  # type: ignore[attr-defined]
    assert table.codes[0, -11 & 63] == table.codes[0, -13 & 63] == -1 & 15  # type: ignore[attr-defined]


@pytest.mark.parametrize("out", ["e3m2", "lp4_0_3", "int1", "int10"])
def test_other_formats_than_integers(out: str) -> None:
    check(network(FUNCTIONS["SiLU"], False, out, 0.11 if out != "int10" else 0.004))


def test_codes_that_are_no_integers_have_a_table() -> None:
    b = Builder(4, 3, 3)
    x = b.quantise("x", "e3m2", 0.5)
    check(b.model(b.quantise(FUNCTIONS["SiLU"](b, x), "e2m3", 0.5)))


def test_branches_of_two_scales_are_one_function() -> None:
    """A factor, a constant and a batch norm on either side of a product."""
    b = Builder(4, 3, 3)
    x = b.batch_norm(b.conv(b.quantise("x", "int4", 0.25), "int4", 4, 4), 4)
    left = b.node(
        "Sub", b.constant(0.5), b.node("Mul", x, b.constant(np.array([1, -2, 0, 0.3]).reshape(4, 1, 1)))
    )
    right = b.batch_norm(b.node("Sigmoid", b.node("Add", x, b.constant(0.7))), 4)
    check(b.model(b.quantise(b.node("Add", b.node("Mul", left, right), x), "int6", 0.11)))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda b, x: b.node("Log", x), "takes the logarithm of numbers down to"),
        (lambda b, x: b.node("Sqrt", x), "takes the square root of numbers down to"),
        (lambda b, x: b.node("Reciprocal", x), "divides by numbers around zero"),
        (lambda b, x: b.node("Celu", x, alpha=-1.0), "its alpha is not positive"),
        (lambda b, x: b.node("Pow", x, by_channel(b)), "it has 4 exponents"),
    ],
    ids=["log", "sqrt", "reciprocal", "celu", "pow"],
)
def test_what_has_no_value_is_refused(make: Make, sentence: str) -> None:
    with pytest.raises(ConversionError, match=sentence):
        import_qonnx(network(make, wide=False))


def test_a_wide_output_of_a_wide_sum_is_refused() -> None:
    with pytest.raises(ConversionError, match="round to at most 8 bits"):
        import_qonnx(network(FUNCTIONS["SiLU"], True, "int12"))
