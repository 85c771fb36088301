"""A small model that says nothing: random weights, rounded each by itself."""

from __future__ import annotations

import numpy as np

from pyqkit.formats.microscopiq import encode, spread_window
from pyqkit.formats.microscopiq.values import BlockActivation
from pyqkit.story.model import SHARED, Linear, StoryModel

WIDTH, HIDDEN, HEADS, KV_HEADS, DEPTH = 16, 140, 2, 1, 2
TOKENS = 262  # an unknown one, the ends of a text, bytes, and three pieces


def tiny(bits: int = 4, acts: int = 8) -> StoryModel:
    """Hidden channels lie in two blocks."""
    random = np.random.default_rng(bits)
    shared = WIDTH // HEADS * KV_HEADS
    outputs = ([WIDTH, shared, shared], [WIDTH], [HIDDEN, HIDDEN], [WIDTH])
    inputs = (WIDTH, WIDTH, WIDTH, HIDDEN)
    linears = {}
    for layer in range(DEPTH):
        for (source, _), count, sizes in zip(SHARED, inputs, outputs):
            matrices = [random.standard_t(3, (count, size)) / count**0.5 for size in sizes]
            tensors = tuple(encode(m, bits, window=spread_window(m, bits))[0] for m in matrices)
            linears[f"layers.{layer}.{source}"] = Linear(tensors, BlockActivation(acts), -9)
    names = ["norm", *(f"layers.{i}.{n}_norm" for i in range(DEPTH) for n in ("attention", "ffn"))]
    floats = {f"{name}.weight": random.uniform(0.5, 1.5, WIDTH).astype(np.float32) for name in names}
    floats["tok_embeddings.weight"] = random.normal(0, 1, (TOKENS, WIDTH)).astype(np.float32)
    pieces = (b"<unk>", b"<s>", b"</s>", *(bytes([byte]) for byte in range(256)), b"ab", b" a", b"abc")
    return StoryModel(
        floats, linears, HEADS, KV_HEADS, DEPTH, pieces, np.arange(TOKENS, dtype=np.float32) - 300
    )
