"""Constants that a file holds for each frame of a run, written so or made of shapes, with other runs.

Exporters expand a class token or positions by the batch of their input, which an open batch leaves to Shape.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest

import pyqkit
from pyqkit.errors import UserError
from pyqkit.reference.quantised import real_of
from pyqkit.reference.reference import Reference
from tests.graph.checked import check, frames
from tests.graph.qonnx_builder import Builder

TOKENS, WIDTH = 6, 4


def whole(b: Builder, *values: int) -> str:
    return b.constant(values, np.int64)


def length(b: Builder, x: str, axis: int) -> str:
    return b.node("Unsqueeze", b.node("Gather", b.node("Shape", x), b.constant(axis, np.int64)), whole(b, 0))


def sizes(b: Builder, x: str, *rest: int) -> str:
    return b.node("Concat", length(b, x, 0), whole(b, *rest), axis=0)


def drawn(b: Builder, *shape: int) -> str:
    return b.constant(b.random.normal(0, 1, shape))


def codes(b: Builder, x: str) -> str:
    return b.quantise(x, "int8", 2**-4)


def expanded(b: Builder, x: str, tokens: int = 1) -> str:
    return b.node("Expand", drawn(b, 1, tokens, WIDTH), sizes(b, x, tokens, WIDTH))


def joined(b: Builder, *parts: str) -> str:
    return b.node("Concat", *parts, axis=1)


def token_beside(b: Builder, x: str) -> str:
    return joined(b, expanded(b, x), x)


def token_of_codes(b: Builder, x: str) -> str:
    return joined(b, codes(b, expanded(b, x)), x)


def codes_of_token(b: Builder, x: str) -> str:
    return joined(b, b.node("Expand", codes(b, drawn(b, 1, 1, WIDTH)), sizes(b, x, 1, WIDTH)), x)


def several_tokens(b: Builder, x: str) -> str:
    return joined(b, expanded(b, x), codes(b, expanded(b, x, 2)), drawn(b, 1, 1, WIDTH), x)


def tiled(b: Builder, x: str) -> str:
    return joined(b, b.node("Tile", drawn(b, 1, 1, WIDTH), sizes(b, x, 1, 1)), x)


def zeros(b: Builder, x: str) -> str:
    return joined(b, codes(b, b.node("ConstantOfShape", sizes(b, x, 1, WIDTH))), x)


def positions(b: Builder, x: str) -> str:
    return b.node("Add", codes(b, b.node("Add", x, expanded(b, x, TOKENS))), codes(b, expanded(b, x, TOKENS)))


def first_positions(b: Builder, x: str) -> str:
    table = b.node("Slice", drawn(b, 1, TOKENS + 3, WIDTH), whole(b, 0), length(b, x, 1), whole(b, 1))
    return b.node("Add", x, codes(b, table))


def positions_of_tokens_first(b: Builder, x: str) -> str:
    x = b.node("Transpose", x, perm=[1, 0, 2])
    shape = b.node("Concat", whole(b, TOKENS), length(b, x, 1), whole(b, WIDTH), axis=0)
    places = codes(b, b.node("Expand", drawn(b, TOKENS, 1, WIDTH), shape))
    return b.node("Transpose", codes(b, b.node("Add", x, places)), perm=[1, 0, 2])


def chosen(b: Builder, x: str) -> str:
    first = b.node("Expand", b.constant([[[True, True, True, False]]], bool), sizes(b, x, TOKENS, WIDTH))
    return b.node("Add", x, b.node("Where", first, b.constant(1.0), b.constant(0.0)))


def masked(b: Builder, x: str) -> str:
    later = b.constant(np.triu(np.full((1, TOKENS, TOKENS), -np.inf), 1))
    hidden = b.node("Expand", later, sizes(b, x, TOKENS, TOKENS))
    scores = b.quantise(b.node("MatMul", x, b.node("Transpose", x, perm=[0, 2, 1])), "int8", 0.5)
    shares = b.node("Softmax", b.node("Add", scores, hidden), axis=-1)
    return b.node("MatMul", b.quantise(shares, "uint8", 2**-8), x)


def halves(b: Builder, x: str) -> str:
    half = b.node("Div", length(b, x, 1), whole(b, 2))
    first, second = b.node("Split", x, b.node("Concat", half, half, axis=0), axis=1, outputs=2)
    return joined(b, second, b.node("Slice", first, whole(b, 0), half, whole(b, 1)))


def reshaped(b: Builder, x: str) -> str:
    return b.node("Reshape", x, sizes(b, x, 2, TOKENS // 2 * WIDTH))


FORMS: dict[str, Callable[[Builder, str], str]] = {
    made.__name__: made
    for made in (
        *(token_beside, token_of_codes, codes_of_token, several_tokens, tiled, zeros, chosen, masked),
        *(positions, first_positions, positions_of_tokens_first, halves, reshaped),
    )
}


def network(name: str, batch: int | None) -> onnx.ModelProto:
    b = Builder(TOKENS, WIDTH)
    model = b.model(b.quantise(FORMS[name](b, codes(b, "x")), "int8", 2**-3))
    return with_batch(model, batch)


def with_batch(model: onnx.ModelProto, batch: int | None) -> onnx.ModelProto:
    first = model.graph.input[0].type.tensor_type.shape.dim[0]
    if batch is None:
        first.dim_param = "batch"
    else:
        first.dim_value = batch
    return model


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("name", FORMS)
def test_three_frames_are_those_of_a_file_of_any_batch(name: str, batch: int | None) -> None:
    model = network(name, batch)
    check(model, frames(model, 3))


def test_several_frames_are_verified_behind_a_class_token() -> None:
    model = network("token_of_codes", None)
    x = np.random.default_rng(1).normal(0, 1, (3, TOKENS, WIDTH)).astype(np.float32)
    found = pyqkit.compile(model).verify(x, ["exact"])
    assert found["mismatches"] == found["reference"]["codes_differing"] == 0


def test_the_reference_joins_quantised_weights() -> None:
    b = Builder(TOKENS, WIDTH)
    weights = b.node("Concat", *(b.weights("int4", 2, WIDTH) for _ in range(2)), axis=0)
    model = b.model(b.node("MatMul", codes(b, "x"), weights))
    assert real_of(Reference(model).run(frames(model, 3))[model.graph.output[0].name]).high.shape == (3, 6, 4)


def test_the_reference_refuses_constants_that_differ_between_frames() -> None:
    b = Builder(TOKENS, WIDTH)
    model = with_batch(b.model(b.node("Add", codes(b, "x"), drawn(b, 2, TOKENS, WIDTH))), 2)
    with pytest.raises(UserError, match="^one constant for every frame was expected by the reference at add"):
        Reference(model).run(frames(model, 3))
