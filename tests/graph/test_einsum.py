"""Sums by letters (Einsum) beside the products of matrices that they are, code by code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyqkit.emulate.exact import ExactEngine
from pyqkit.errors import UserError
from pyqkit.graph.graph import Graph, encode_input
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from pyqkit.reference.quantised import real_of
from pyqkit.reference.reference import Reference
from pyqkit.verify import float32
from tests.graph.attention_networks import HEADS, TOKENS, WIDTH
from tests.graph.checked import check, frames
from tests.graph.qonnx_builder import Builder

SIZE = WIDTH // HEADS
HEADS_FIRST, TOKENS_FIRST = [0, 2, 1, 3], [0, 1, 2, 3]
Make = Callable[[Builder, str], str]
Product = Callable[[Builder, str, str], str]


def whole(b: Builder, *values: int) -> str:
    return b.constant(values, np.int64)


def letters(formula: str) -> Product:
    return lambda b, x, y: b.node("Einsum", x, y, equation=formula)


def backwards(formula: str) -> Product:
    """The right tensor first."""
    return lambda b, x, y: b.node("Einsum", y, x, equation=formula)


def network(make: Make) -> Any:
    b = Builder(TOKENS, WIDTH)
    return b.model(b.quantise(make(b, b.quantise("x", "int8", 2**-4)), "int8", 2**-4))


def outputs(graph: Graph, x: np.ndarray) -> list[np.ndarray]:
    """Codes of a graph's outputs, in the order of the file's axes."""
    codes = graph.execute({p.tensor: encode_input(p, graph.tensors[p.tensor], x) for p in graph.inputs})
    return [codes[p.tensor].reshape(len(x), -1)[:, p.order.ravel()] for p in graph.outputs]


def check_alike(model: Any, other: Any) -> Graph:
    """Assert that a network is another one, what the reference says, and what ONNX Runtime says."""
    graph, x = check(model), frames(model)
    (found,), (wanted,) = outputs(graph, x), outputs(import_qonnx(other), x)
    np.testing.assert_array_equal(found, wanted)
    assert len(np.unique(found)) > 5
    compared = float32.compare(ExactEngine(graph), model, x)
    assert compared["codes"] > 100 and not compared["unexplained_layers"]
    return graph


# ---- attention ---------------------------------------------------------------------------------------------


def attention(b: Builder, x: str, order: list[int], scores: Product, contexts: Product, fmt: str) -> str:
    """Attention of queries, keys and values (batch, tokens, heads, size), or their axes in another order."""
    sides = []
    for _ in range(3):
        y = b.quantise(b.node("MatMul", x, b.weights("int4", WIDTH, WIDTH, scale=2**-3)), fmt, 2**-3)
        y = b.node("Reshape", y, whole(b, 1, TOKENS, HEADS, SIZE))
        sides.append(b.node("Transpose", y, perm=order))
    q, k, v = sides
    shares = b.node("Softmax", b.quantise(scores(b, q, k), fmt, 2**-3), axis=-1)
    return contexts(b, b.quantise(shares, "uint8", 2**-8), v)


def by_matrices(order: list[int], back: list[int]) -> tuple[Product, Product]:
    """Scores and contexts by MatMul and Transpose; `back` is the order of what contexts make."""
    front = [order.index(axis) for axis in HEADS_FIRST]

    def scores(b: Builder, q: str, k: str) -> str:
        turned = b.node("Transpose", b.node("Transpose", k, perm=front), perm=[0, 1, 3, 2])
        return b.node("MatMul", b.node("Transpose", q, perm=front), turned)

    def contexts(b: Builder, shares: str, v: str) -> str:
        return b.node("Transpose", b.node("MatMul", shares, b.node("Transpose", v, perm=front)), perm=back)

    return scores, contexts


# Order of the tensors' axes, scores, contexts, and the order of what contexts make
ATTENTION: dict[str, tuple[list[int], Product, Product, list[int]]] = {
    "heads first": (HEADS_FIRST, letters("bhid,bhjd->bhij"), letters("bhij,bhjd->bhid"), [0, 1, 2, 3]),
    "heads back": (HEADS_FIRST, letters("bhid,bhjd->bhij"), letters("bhij,bhjd->bihd"), [0, 2, 1, 3]),
    "tokens first": (TOKENS_FIRST, letters("bihd,bjhd->bhij"), letters("bhij,bjhd->bihd"), [0, 2, 1, 3]),
    "sizes first": ([0, 2, 3, 1], letters("bhdi,bhdj->bhij"), letters("bhij,bhdj->bhdi"), [0, 1, 3, 2]),
    "values first": (TOKENS_FIRST, letters("bihd,bjhd->bhij"), backwards("bjhd,bhij->bihd"), [0, 2, 1, 3]),
    "spaces and capitals": (
        TOKENS_FIRST,
        letters(" b I h d, b j h d -> b h I j"),
        letters("BhIj , BjhD->BIhD"),
        [0, 2, 1, 3],
    ),
    "an ellipsis": (HEADS_FIRST, letters("...id,...jd->...ij"), letters("...ij,...jd->...id"), [0, 1, 2, 3]),
    "an ellipsis within": (
        TOKENS_FIRST,
        letters("bi...d,bj...d->b...ij"),
        letters("b...ij,bj...d->bi...d"),
        [0, 2, 1, 3],
    ),
    "without an arrow": (HEADS_FIRST, letters("...id,...jd"), letters("...ij,...jz"), [0, 1, 2, 3]),
}


@pytest.mark.parametrize("fmt", ["int8", "e3m2", "lp8_1_3"])
@pytest.mark.parametrize("name", ATTENTION)
def test_attention_by_letters_is_attention_by_matrices(name: str, fmt: str) -> None:
    order, scores, contexts, back = ATTENTION[name]
    others = by_matrices(order, back)
    graph = check_alike(
        network(lambda b, x: attention(b, x, order, scores, contexts, fmt)),
        network(lambda b, x: attention(b, x, order, *others, fmt)),
    )
    kinds = [op.kind for op in graph.operators]
    assert kinds.count("matrix_product") == 2
    assert not {"permute", "slice", "concat"}.intersection(kinds)  # every token stays where it is


# ---- weights and other products ----------------------------------------------------------------------------


def apart(b: Builder, x: str) -> str:
    """Tokens with heads: (batch, tokens, heads, size)."""
    y = b.quantise(b.node("MatMul", x, b.weights("int4", WIDTH, WIDTH, scale=2**-3)), "int8", 2**-3)
    return b.node("Reshape", y, whole(b, 1, TOKENS, HEADS, SIZE))


def weights(formula: str, *shape: int, first: bool = False, scale: Any = 2**-3, heads: bool = False) -> Make:
    """A tensor times weights, on which side they may stand."""

    def make(b: Builder, x: str) -> str:
        x = apart(b, x) if heads else x
        y = b.weights("int4", *shape, scale=scale)
        return letters(formula)(b, *((y, x) if first else (x, y)))

    return make


def matrix(*shape: int, columns: tuple[int, ...] = (), scale: Any = 2**-3, heads: bool = False) -> Make:
    """The same by MatMul."""

    def make(b: Builder, x: str) -> str:
        x = b.node("Reshape", apart(b, x), whole(b, 1, TOKENS, WIDTH)) if heads else x
        y = b.node("Reshape", b.weights("int4", *shape, scale=scale), whole(b, WIDTH, -1))
        y = b.node("MatMul", x, y)
        return b.node("Reshape", y, whole(b, 1, TOKENS, *columns)) if columns else y

    return make


SCALES = np.linspace(0.2, 0.5, WIDTH).reshape(1, HEADS, SIZE)
WEIGHTS: dict[str, tuple[Make, Make]] = {
    "a layer": (weights("bic,co->bio", WIDTH, 3), matrix(WIDTH, 3)),
    "an ellipsis": (weights("...c,co->...o", WIDTH, 3), matrix(WIDTH, 3)),
    "weights first": (weights("co,bic->bio", WIDTH, 3, first=True), matrix(WIDTH, 3)),
    "weights of heads": (
        weights("bic,chd->bihd", WIDTH, HEADS, SIZE, scale=SCALES),
        matrix(WIDTH, HEADS, SIZE, columns=(HEADS, SIZE), scale=SCALES),
    ),
    "heads together": (
        weights("bihd,hde->bie", HEADS, SIZE, 3, heads=True),
        matrix(HEADS, SIZE, 3, heads=True),
    ),
    "one number a token": (weights("bic,c->bi", WIDTH), matrix(WIDTH, columns=())),
    "tokens behind channels": (
        weights("bic,co->boi", WIDTH, 3),
        lambda b, x: b.node("Transpose", matrix(WIDTH, 3)(b, x), perm=[0, 2, 1]),
    ),
    "tokens mixed": (
        weights("io,bic->bco", TOKENS, 3, first=True),
        lambda b, x: b.node(
            "MatMul", b.node("Transpose", x, perm=[0, 2, 1]), b.weights("int4", TOKENS, 3, scale=2**-3)
        ),
    ),
    "tokens and channels": (
        weights("bic,ico->bo", TOKENS, WIDTH, 3),
        lambda b, x: b.node(
            "MatMul",
            b.node("Flatten", x),
            b.node("Reshape", b.weights("int4", TOKENS, WIDTH, 3, scale=2**-3), whole(b, TOKENS * WIDTH, 3)),
        ),
    ),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_by_letters_are_a_layer(name: str) -> None:
    by_letters, by_matrix = WEIGHTS[name]
    graph = check_alike(network(by_letters), network(by_matrix))
    assert {op.kind for op in graph.operators} <= {"convolution", "rescale", "reshape"}


# Formulas, and whether what they multiply has heads
FORMULAS = {
    "bic,bjc->bij": False,
    "bic,bic->bi": False,
    "bic,bid->bcd": False,
    "bihd,bjhd->bij": True,
    "bihd,bjhd->bjhi": True,
    "...id,...xd": True,
    "bi...d,bj...d->b...ji": True,
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_products_of_a_tensor_with_itself(formula: str) -> None:
    """By the formula as numpy reads it, on what is multiplied."""
    b = Builder(TOKENS, WIDTH)
    x = b.quantise("x", "int8", 2**-4)
    x = apart(b, x) if FORMULAS[formula] else x
    model = b.model(x, b.node("Einsum", x, x, equation=formula))
    check(model)
    given, made = (real_of(value).high for value in Reference(model).run(frames(model)).values())
    np.testing.assert_array_equal(made, np.einsum(formula, given, given))


def test_a_file_may_take_several_frames() -> None:
    model = network(weights("bic,chd->bhid", WIDTH, HEADS, SIZE))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    check(model)


# ---- what is refused ---------------------------------------------------------------------------------------


def itself(formula: str) -> Make:
    return lambda b, x: b.node("Einsum", *[x] * (formula.count(",") + 1), equation=formula)


def broadcast(b: Builder, x: str) -> str:
    return letters("bic,bjc->bij")(b, x, b.node("Slice", x, *(whole(b, i) for i in (0, 1, 2))))


def batch_behind(b: Builder, x: str) -> str:
    return itself("ibc,jbc->bij")(b, b.node("Transpose", x, perm=[1, 0, 2]))


NO_PRODUCT = (
    "is no product of two tensors that adds up over letters of both and keeps all others; write it as"
)
BATCH = "sums over the batch or moves it; give the batch the first letter of the result and of each tensor"
REFUSED: dict[str, tuple[Make, str]] = {
    **{
        formula: (itself(formula), f"its equation {formula} {NO_PRODUCT}")
        for formula in (
            *(
                "bic->bci",
                "bic,bjd->bij",
                "bic,bic->bic",
                "bcc,bic->bi",
                "bic,bjc,bkc->bijk",
                "bic,bjc->",
            ),
        )
    },
    **{
        formula: (itself(formula), f"its equation {formula} {BATCH}")
        for formula in ("bic,bjc->ij", "bic,bjc->ibj", "bic,ajc->baij", "bic,bjc")
    },
    "weights that move the batch": (weights("bic,co->ibo", WIDTH, 3), BATCH),
    "weights of each head": (
        weights("bihd,hdo->biho", HEADS, SIZE, 3, heads=True),
        "it multiplies by several constant matrices; use one matrix of weights",
    ),
    "weights as numbers": (
        lambda b, x: letters("bic,chd->bihd")(b, x, b.constant(np.ones((WIDTH, HEADS, SIZE)))),
        "its weights are not quantised",
    ),
    "one element for all": (broadcast, "axes that share a letter have"),
    "the batch behind tokens": (batch_behind, "the batch is not the first axis of its input"),
    "a probability that is not quantised": (
        lambda b, x: letters("bij,bjc->bic")(b, b.node("Softmax", itself("bic,bjc->bij")(b, x)), x),
        "quantise",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_product_is_refused(name: str) -> None:
    make, sentence = REFUSED[name]
    with pytest.raises(ConversionError) as caught:
        import_qonnx(network(make))
    assert sentence in str(caught.value) and "1 node cannot" in str(caught.value)


@pytest.mark.parametrize("formula", ["bic,bjd->bij", "bcc,bic->bi", "bic,bjc->ij", "bic,bjc,bkc->bijk"])
def test_the_reference_refuses_it_too(formula: str) -> None:
    model = network(itself(formula))
    with pytest.raises(UserError, match="expected by the reference at einsum"):
        Reference(model).run(frames(model))
