"""Small QONNX networks that several tests compile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.graph.qonnx_builder import Builder


def residual(weights: str = "e2m1", activations: str = "e3m2", size: int = 6, seed: int = 0) -> Any:
    """Three convolutions, a residual sum, a max pool, a global average pool and a linear layer.

    2 input channels, 5 outputs.
    """
    b = Builder(2, size, size, seed=seed)
    x = b.quantise("x", "int4", 0.25)
    y = b.quantise(b.node("Relu", b.batch_norm(b.conv(x, weights, 8, 2), 8)), activations, 0.25)
    z = b.quantise(b.node("Relu", b.conv(y, weights, 8, 8)), activations, 0.25)
    z = b.quantise(b.conv(z, "lp4_0_3", 8, 8), activations, 0.25)
    joined = b.quantise(b.node("Relu", b.node("Add", y, z)), activations, 0.25)
    pooled = b.node("MaxPool", joined, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
    mean = b.quantise(b.node("GlobalAveragePool", pooled), "int8", 0.125)
    flat = b.node("Flatten", mean)
    return b.model(b.node("Gemm", flat, b.weights("int8", 5, 8, scale=0.0625), transB=1))


def mixed_layout(seed: int = 1) -> Any:
    """A depthwise and a strided convolution, concatenation and a channel permutation; 4 input channels."""
    b = Builder(4, 6, 6, seed=seed)
    x = b.quantise("x", "e2m1", 0.5)
    left = b.quantise(b.conv(x, "e2m1", 4, 4, group=4), "e2m1", 1.0)
    right = b.quantise(b.conv(x, "int4", 8, 4, 1), "e2m1", 1.0)
    joined = b.node("Concat", left, right, axis=1)
    grouped = b.node("Reshape", joined, b.constant([1, 2, 6, 6, 6], "int64"))
    swapped = b.node("Transpose", grouped, perm=[0, 2, 1, 3, 4])
    shuffled = b.node("Reshape", swapped, b.constant([1, 12, 6, 6], "int64"))
    return b.model(b.quantise(b.conv(shuffled, "e3m2", 6, 12, strides=[2, 2]), "int4", 2.0))


def two_heads(seed: int = 2) -> Any:
    """A convolution that is an output, and two layers behind it that are another one; 2 input channels."""
    b = Builder(2, 6, 6, seed=seed)
    trunk = b.quantise(b.conv(b.quantise("x", "int4", 0.25), "int4", 4, 2), "int4", 0.5)
    deep = b.quantise(b.node("Relu", b.conv(trunk, "e2m1", 6, 4)), "e2m1", 1.0)
    return b.model(
        b.node("Gemm", b.node("Flatten", deep), b.weights("int8", 3, 216, scale=0.0625), transB=1), trunk
    )


def compiled_for(folder: Path, board: dict, **options: Any) -> Any:
    """The residual network compiled for a board that a TOML file in `folder` describes."""
    import pyqkit

    lines = [f"{key} = {json.dumps(value)}" for key, value in board.items() if not isinstance(value, dict)]
    lines += ["[resources]", *(f"{key} = {value}" for key, value in board["resources"].items())]
    (folder / "mine.toml").write_text("\n".join(lines))
    return pyqkit.compile(residual(), board=folder / "mine.toml", **options)
