"""Layer norm and RMS norm as op-sets without them write them: pieces that are one operator together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from pyqkit.graph.ops.layer_norm import LayerNorm
from tests.graph.checked import check
from tests.graph.qonnx_builder import Builder

TOKENS, WIDTH = 3, 6
Make = Callable[[Builder, str], str]


def mean(b: Builder, x: str) -> str:
    return b.node("ReduceMean", x, axes=[-1])


def square(b: Builder, x: str, by_power: bool = True) -> str:
    return b.node("Pow", x, b.constant(2.0)) if by_power else b.node("Mul", x, x)


def root(b: Builder, spread: str) -> str:
    return b.node("Sqrt", b.node("Add", spread, b.constant(1e-5)))


def scaled(b: Builder, x: str, offset: bool = True) -> str:
    found = b.node("Mul", x, b.constant(b.random.normal(1, 0.4, WIDTH)))
    return b.node("Add", found, b.constant(b.random.normal(0, 0.4, WIDTH))) if offset else found


def layer_norm(b: Builder, x: str) -> str:
    """As torch.onnx.export writes it for op-sets before 17."""
    moved = b.node("Sub", x, mean(b, x))
    return scaled(b, b.node("Div", moved, root(b, mean(b, square(b, moved)))))


def twice_moved(b: Builder, x: str) -> str:
    """With a difference for each use, as older exporters write it, and a cast between."""
    average = mean(b, x)
    moved, again = (b.node("Sub", x, average) for _ in range(2))
    spread = b.node("Cast", mean(b, square(b, b.node("Cast", again, to=1))), to=1)
    return scaled(b, b.node("Div", moved, root(b, spread)))


def by_reciprocal(b: Builder, x: str) -> str:
    moved = b.node("Sub", x, mean(b, x))
    spread = mean(b, square(b, moved, by_power=False))
    return scaled(b, b.node("Mul", moved, b.node("Reciprocal", root(b, spread))), offset=False)


def rms_norm(b: Builder, x: str) -> str:
    """As torch.nn.RMSNorm is exported for op-sets before 23."""
    inverse = b.node("Reciprocal", root(b, mean(b, square(b, x))))
    return scaled(b, b.node("Mul", x, inverse), offset=False)


def rms_of_languages(b: Builder, x: str) -> str:
    """As language models write it: one over the root, and squares by a product."""
    inverse = b.node("Div", b.constant(1.0), root(b, mean(b, square(b, x, by_power=False))))
    return scaled(b, b.node("Mul", inverse, x), offset=False)


def rms_by_power(b: Builder, x: str) -> str:
    spread = b.node("Add", mean(b, square(b, x)), b.constant(1e-5))
    return b.node("Mul", x, b.node("Pow", spread, b.constant(-0.5)))


FORMS: dict[str, tuple[Make, bool]] = {
    "layer norm": (layer_norm, True),
    "layer norm with two differences": (twice_moved, True),
    "layer norm by a reciprocal": (by_reciprocal, True),
    "RMS norm": (rms_norm, False),
    "RMS norm of language models": (rms_of_languages, False),
    "RMS norm by a power": (rms_by_power, False),
}


def _model(make: Make, fmt: str = "int8", shape: tuple[int, ...] = (TOKENS, WIDTH)) -> object:
    b = Builder(*shape)
    return b.model(b.quantise(make(b, b.quantise("x", fmt, 2**-4)), fmt, 2**-5))


@pytest.mark.parametrize("name", FORMS)
def test_pieces_are_one_norm(name: str) -> None:
    make, centred = FORMS[name]
    graph = check(_model(make))
    (norm,) = graph.operators
    assert isinstance(norm, LayerNorm) and norm.centred == centred


@pytest.mark.parametrize("shape", [(WIDTH,), (2, TOKENS, WIDTH)])
def test_vectors_and_heads_are_normalised_too(shape: tuple[int, ...]) -> None:
    assert any(isinstance(op, LayerNorm) for op in check(_model(layer_norm, "e3m2", shape)).operators)


def test_pieces_give_the_codes_of_the_operator() -> None:
    draw = np.random.default_rng(3)
    rows = [draw.normal(1, 0.4, WIDTH), draw.normal(0, 0.4, WIDTH)]

    def whole(b: Builder, x: str) -> str:
        return b.node("LayerNormalization", x, *map(b.constant, rows), epsilon=1e-5)

    def pieces(b: Builder, x: str) -> str:
        moved = b.node("Sub", x, mean(b, x))
        found = b.node("Div", moved, root(b, mean(b, square(b, moved))))
        return b.node("Add", b.node("Mul", found, b.constant(rows[0])), b.constant(rows[1]))

    first, second = (import_qonnx(_model(make)).operators[0] for make in (whole, pieces))
    assert isinstance(first, LayerNorm) and isinstance(second, LayerNorm)
    for field in ("gain_numerators", "gain_denominators", "offset_numerators", "offset_denominators"):
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field))
    assert (first.epsilon_numerator, first.epsilon_denominator) == (
        second.epsilon_numerator,
        second.epsilon_denominator,
    )


def test_the_host_computes_pieces_at_the_end() -> None:
    b = Builder(TOKENS, WIDTH)
    graph = import_qonnx(b.model(layer_norm(b, b.quantise("x", "int8", 2**-4))))
    assert graph.host is not None and {"ReduceMean", "Div"} <= {step.type for step in graph.host.steps}


def _of_another(b: Builder, x: str) -> str:
    other = b.quantise("x", "int4", 0.25)
    return b.node("Div", x, root(b, mean(b, square(b, other))))


READ = "is read by something else than a layer norm or an RMS norm; use torch.nn.LayerNorm or RMSNorm"
REFUSED: dict[str, tuple[Make, str]] = {
    "a mean alone": (lambda b, x: mean(b, x), f"the mean of each pixel's channels {READ}"),
    "a distance alone": (
        lambda b, x: b.node("Sub", x, mean(b, x)),
        f"the distance from the mean of each pixel's channels {READ}",
    ),
    "a spread without its root": (
        lambda b, x: b.node("Div", x, mean(b, square(b, x))),
        f"the mean square of each pixel's channels {READ}",
    ),
    "a spread without an epsilon": (
        lambda b, x: b.node("Div", x, b.node("Sqrt", mean(b, square(b, x)))),
        f"the mean square of each pixel's channels {READ}",
    ),
    "an epsilon of a channel": (
        lambda b, x: b.node("Div", x, b.node("Sqrt", b.node("Mul", mean(b, square(b, x)), b.constant(2.0)))),
        f"the mean square of each pixel's channels {READ}",
    ),
    "the spread of another tensor": (_of_another, f"the mean square of each pixel's channels {READ}"),
    "numbers that are not moved over their deviation": (
        lambda b, x: b.node("Div", x, root(b, mean(b, square(b, b.node("Sub", x, mean(b, x)))))),
        f"the mean square of each pixel's channels {READ}",
    ),
    "an epsilon of nothing": (
        lambda b, x: b.node("Div", x, b.node("Sqrt", b.node("Sub", mean(b, square(b, x)), b.constant(1e-5)))),
        "its epsilon is -1e-05; use one above zero",
    ),
    "what is not quantised": (
        lambda b, x: layer_norm(b, b.node("Relu", x)),
        "what it normalises is not quantised to at most 16 bits; put a quantiser",
    ),
    "the input itself": (lambda b, x: rms_norm(b, "x"), "the network's input reaches it unquantised"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_pieces_of_something_else_are_refused(name: str) -> None:
    make, sentence = REFUSED[name]
    b = Builder(TOKENS, WIDTH)
    x = b.node("MatMul", b.quantise("x", "int8", 2**-4), b.weights("int4", WIDTH, WIDTH))
    model = b.model(b.quantise(make(b, b.quantise(x, "int8", 0.5)), "int8", 2**-5))
    with pytest.raises(ConversionError) as caught:
        import_qonnx(model)
    assert sentence in str(caught.value)
