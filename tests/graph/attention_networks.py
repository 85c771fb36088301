"""Networks of attention written by hand, small enough for every number to be looked at."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.graph.qonnx_builder import Builder

TOKENS, WIDTH, HEADS = 5, 8, 2
_WHOLE = np.int64


def heads_apart(b: Builder, packed: str, layout: str) -> list[str]:
    """Queries, keys and values (batch, heads, tokens, size) out of one tensor, as exporters write it."""
    size = WIDTH // HEADS
    stacked = b.node("Reshape", packed, b.constant([1, TOKENS, 3, HEADS, size], _WHOLE))
    if layout == "batch first":
        turned = b.node("Transpose", stacked, perm=[0, 2, 3, 1, 4])
        return [b.node("Gather", turned, b.constant(i, _WHOLE), axis=1) for i in range(3)]
    turned = b.node("Transpose", stacked, perm=[2, 0, 3, 1, 4])
    if layout == "gather":
        return [b.node("Gather", turned, b.constant(i, _WHOLE), axis=0) for i in range(3)]
    parts = b.node("Split", turned, axis=0, outputs=3)
    return [b.node("Squeeze", part, b.constant([0], _WHOLE)) for part in parts]


def attention(
    b: Builder,
    x: str,
    fmt: str,
    scores: str,
    shares: tuple[str, float],
    layout: str = "gather",
    mask: np.ndarray | None = None,
) -> str:
    """Self-attention of `HEADS` heads on quantised tokens, everything in it quantised."""
    packed = b.quantise(b.node("MatMul", x, b.weights("int4", WIDTH, 3 * WIDTH, scale=2**-3)), fmt, 2**-3)
    q, k, v = heads_apart(b, packed, layout)
    turned = b.node("Transpose", k, perm=[0, 1, 3, 2])
    root = b.constant(0.5)  # PyTorch's exporter multiplies both by the root of the scale
    found = b.node("MatMul", b.node("Mul", q, root), b.node("Mul", turned, root))
    found = b.quantise(found, scores, 2**-3)
    found = found if mask is None else b.node("Add", found, b.constant(mask))
    found = b.node("Softmax", found, axis=-1)
    found = b.node("MatMul", b.quantise(found, *shares), v)
    together = b.node("Transpose", found, perm=[0, 2, 1, 3])
    return b.quantise(b.node("Reshape", together, b.constant([1, TOKENS, WIDTH], _WHOLE)), fmt, 2**-4)


def norm(b: Builder, x: str, kind: str = "LayerNormalization") -> str:
    """A norm of tokens with a gain, and an offset where it has one."""
    rows = [b.constant(b.random.normal(1, 0.4, WIDTH))]
    if kind == "LayerNormalization":
        rows.append(b.constant(b.random.normal(0, 0.4, WIDTH)))
    return b.node(kind, x, *rows, axis=-1, epsilon=1e-5)


def pooled(b: Builder, x: str, form: str) -> str:
    """Sequence pooling: the sum of all tokens, weighted by a softmax over tokens."""
    scores = b.quantise(b.node("MatMul", x, b.weights("int4", WIDTH, 1)), "int8", 0.125)
    if form == "softmax behind a transpose":
        shares = b.node("Softmax", b.node("Transpose", scores, perm=[0, 2, 1]), axis=-1)
        shares = b.quantise(shares, "uint8", 2**-8)
    else:
        shares = b.quantise(b.node("Softmax", scores, axis=1), "uint8", 2**-8)
    if form == "sum of products":
        return b.node("ReduceSum", b.node("Mul", shares, x), b.constant([1], _WHOLE), keepdims=0)
    if form == "softmax over tokens":
        shares = b.node("Transpose", shares, perm=[0, 2, 1])
    return b.node("Squeeze", b.node("MatMul", shares, x), b.constant([1], _WHOLE))


def encoder(
    fmt: str = "int8",
    scores: str = "int8",
    shares: tuple[str, float] = ("uint8", 2**-8),
    layout: str = "gather",
    mask: np.ndarray | None = None,
) -> Any:
    """One encoder layer: attention, a sum, a norm behind it, and the first token."""
    b = Builder(TOKENS, WIDTH)
    x = b.quantise("x", fmt, 2**-4)
    mixed = b.node(
        "MatMul",
        attention(b, x, fmt, scores, shares, layout, mask),
        b.weights("int4", WIDTH, WIDTH, scale=2**-3),
    )
    normed = norm(b, b.quantise(b.node("Add", x, mixed), fmt, 2**-3))
    return b.model(b.node("Gather", b.quantise(normed, fmt, 2**-5), b.constant(0, _WHOLE), axis=1))


def with_class_token(fmt: str = "int8", first: bool = True, size: float = 8) -> Any:
    """Patches of an image, a class token before or behind them, positions, a norm, and two classifiers."""
    b = Builder(3, 8, 8)
    patches = b.node(
        "Conv",
        b.quantise("x", fmt, 2**-4),
        b.weights("int4", WIDTH, 3, 4, 4, scale=2**-3),
        strides=[4, 4],
        kernel_shape=[4, 4],
    )
    patches = b.node("Reshape", b.quantise(patches, fmt, 0.25), b.constant([1, WIDTH, 4], _WHOLE))
    patches = b.node("Transpose", patches, perm=[0, 2, 1])
    token = b.quantise(b.constant(b.random.normal(0, size, (1, 1, WIDTH))), fmt, 0.25)
    places = b.quantise(b.constant(b.random.normal(0, 8, (1, 5, WIDTH))), fmt, 0.25)
    joined = b.node("Concat", *((token, patches) if first else (patches, token)), axis=1)
    tokens = b.quantise(b.node("Add", joined, places), fmt, 0.25)
    normed = b.quantise(norm(b, tokens), fmt, 2**-5)
    hidden = b.quantise(b.node("Relu", b.node("MatMul", normed, b.weights("int4", WIDTH, 16))), fmt, 2**-3)
    added = b.node("Add", b.node("MatMul", hidden, b.weights("int4", 16, WIDTH)), tokens)
    added = b.quantise(added, fmt, 0.25)
    mean = b.quantise(b.node("ReduceMean", added, axes=[1], keepdims=0), fmt, 0.25)
    chosen = b.node("Gather", added, b.constant(0 if first else 4, _WHOLE), axis=1)
    return b.model(*(b.node("MatMul", x, b.weights("int4", WIDTH, 10)) for x in (mean, chosen)))
