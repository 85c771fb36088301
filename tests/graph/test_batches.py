"""Tensors whose batch is not the first axis, as exporters of attention write them, against the reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from pyqkit.emulate.exact import ExactEngine
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from pyqkit.verify import float32
from tests.graph.attention_networks import HEADS, TOKENS, WIDTH
from tests.graph.checked import check, frames
from tests.graph.qonnx_builder import Builder

SIZE = WIDTH // HEADS
Make = Callable[[Builder, str], str]


def whole(b: Builder, *values: int) -> str:
    return b.constant(values, np.int64)


def linear(b: Builder, x: str, width: int = WIDTH) -> str:
    return b.quantise(b.node("MatMul", x, b.weights("int4", WIDTH, width, scale=2**-3)), "int8", 2**-3)


def mixed(b: Builder, q: str, k: str, v: str) -> str:
    """Attention of three tensors (batch * heads, tokens, size)."""
    scores = b.node("MatMul", b.node("Mul", q, b.constant(0.5)), b.node("Transpose", k, perm=[0, 2, 1]))
    shares = b.node("Softmax", b.quantise(scores, "int8", 2**-3), axis=2)
    return b.quantise(b.node("MatMul", b.quantise(shares, "uint8", 2**-8), v), "int8", 2**-4)


def heads_and_batch(b: Builder, x: str) -> str:
    """Heads are frames, as a product of matrices in batches has them."""

    def apart(part: str) -> str:
        part = b.node("Reshape", part, whole(b, 1, TOKENS, HEADS, SIZE))
        return b.node("Reshape", b.node("Transpose", part, perm=[0, 2, 1, 3]), whole(b, -1, TOKENS, SIZE))

    made = mixed(b, *(apart(linear(b, x)) for _ in range(3)))
    made = b.node("Reshape", made, whole(b, 1, HEADS, TOKENS, SIZE))
    return b.node("Reshape", b.node("Transpose", made, perm=[0, 2, 1, 3]), whole(b, 1, TOKENS, WIDTH))


def tokens_and_heads(b: Builder, x: str) -> str:
    """Tokens, then the batch with the heads, as torch.nn.MultiheadAttention and Brevitas' have them."""
    x = b.node("Transpose", x, perm=[1, 0, 2])

    def apart(part: str) -> str:
        return b.node("Transpose", b.node("Reshape", part, whole(b, TOKENS, HEADS, SIZE)), perm=[1, 0, 2])

    made = mixed(b, *(apart(linear(b, x)) for _ in range(3)))
    made = b.node("Reshape", b.node("Transpose", made, perm=[1, 0, 2]), whole(b, TOKENS, 1, WIDTH))
    return b.node("Transpose", linear(b, made), perm=[1, 0, 2])


def tokens_first(b: Builder, x: str) -> str:
    """A norm, a sum with constants of each token and with a shortcut, all with tokens before the batch."""
    x = b.node("Transpose", x, perm=[1, 0, 2])
    places = b.quantise(b.constant(b.random.normal(0, 1, (TOKENS, 1, WIDTH))), "int8", 2**-4)
    x = b.quantise(b.node("Add", x, places), "int8", 2**-4)
    rows = [b.constant(b.random.normal(1, 0.4, WIDTH)) for _ in range(2)]
    normed = b.quantise(b.node("LayerNormalization", x, *rows, axis=2), "int8", 2**-5)
    added = b.quantise(
        b.node("Add", x, b.node("MatMul", normed, b.weights("int4", WIDTH, WIDTH))), "int8", 0.25
    )
    return b.node("Transpose", added, perm=[1, 0, 2])


def stacked(b: Builder, x: str) -> str:
    """Queries, keys and values as the axis before the batch, quantised there."""
    parts = b.node("Reshape", linear(b, x, 3 * WIDTH), whole(b, 1, TOKENS, 3, HEADS, SIZE))
    parts = b.quantise(b.node("Transpose", parts, perm=[2, 0, 3, 1, 4]), "int8", 2**-2)
    q, k, v = (b.node("Gather", parts, b.constant(i, np.int64), axis=0) for i in range(3))
    scores = b.node("MatMul", q, b.node("Transpose", k, perm=[0, 1, 3, 2]))
    shares = b.quantise(b.node("Softmax", b.quantise(scores, "int8", 2**-3), axis=-1), "uint8", 2**-8)
    made = b.quantise(b.node("MatMul", shares, v), "int8", 2**-4)
    return b.node("Reshape", b.node("Transpose", made, perm=[0, 2, 1, 3]), whole(b, 1, TOKENS, WIDTH))


FORMS: dict[str, Make] = {
    made.__name__: made for made in (heads_and_batch, tokens_and_heads, tokens_first, stacked)
}


def network(make: Make) -> onnx.ModelProto:
    b = Builder(TOKENS, WIDTH)
    return b.model(b.quantise(make(b, b.quantise("x", "int8", 2**-4)), "int8", 2**-4))


@pytest.mark.parametrize("name", FORMS)
def test_the_batch_may_stand_elsewhere(name: str) -> None:
    model = network(FORMS[name])
    graph = check(model)
    compared = float32.compare(ExactEngine(graph), model, frames(model))
    assert compared["codes"] > 100 and not compared["unexplained_layers"]


def both_frames(b: Builder, x: str) -> str:
    return b.node("ReduceMean", b.node("Transpose", x, perm=[1, 0, 2]), axes=[0], keepdims=0)


def channels_and_batch(b: Builder, x: str) -> str:
    return b.node("Softmax", b.node("Transpose", x, perm=[1, 2, 0]), axis=-1)


REFUSED: dict[str, tuple[Make, str]] = {
    "a mean over the axis in front": (both_frames, "the batch is not the first axis of its input"),
    "a softmax along the batch": (channels_and_batch, "the batch is not the first axis of its input"),
    "an output": (lambda b, x: b.node("Transpose", x, perm=[1, 0, 2]), "the batch is not its first axis"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_the_batch_in_front_is_refused(name: str) -> None:
    make, sentence = REFUSED[name]
    b = Builder(TOKENS, WIDTH)
    with pytest.raises(ConversionError) as caught:
        import_qonnx(b.model(b.quantise(make(b, b.quantise("x", "int8", 2**-4)), "uint8", 2**-4)))
    assert sentence in str(caught.value)


def test_several_frames_cannot_be_joined_with_heads() -> None:
    model = network(heads_and_batch)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    with pytest.raises(ConversionError, match="it moves elements across the batch"):
        import_qonnx(model)
