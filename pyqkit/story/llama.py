"""The Llama family in numpy, token by token: norms, rotary embedding, attention and sampling in float32.

Linear layers are somebody else's: their integers' definition, or an array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

from pyqkit.errors import UserError
from pyqkit.story.model import StoryModel

EPSILON = 1e-5
BASE = 10000.0  # of rotary embeddings
BEGIN = 1  # the token before a text
FIRST_BYTE = 3  # the token of byte 0

Linears = Callable[[str, np.ndarray], list[np.ndarray]]  # of the layers that read an input, by its name


class Llama:
    """A model with the keys and values of the tokens that it has read.

    Parameters
    ----------
    model : StoryModel
    linears : callable
        Name of an input and its numbers (positions, inputs), float32, to the outputs of its layers.
    """

    def __init__(self, model: StoryModel, linears: Linears) -> None:
        self.model, self._linears = model, linears
        self._size = model.floats["tok_embeddings.weight"].shape[1] // model.heads
        self._kept = [(np.zeros((0, model.kv_heads, self._size), np.float32),) * 2] * model.depth

    def read(self, tokens: np.ndarray) -> np.ndarray:
        """Logits behind the last of some more tokens, float32 (vocabulary,)."""
        floats = self.model.floats
        x = floats["tok_embeddings.weight"][tokens]
        for layer in range(self.model.depth):
            name = f"layers.{layer}"
            x = x + self._attention(layer, _normed(x, floats[f"{name}.attention_norm.weight"]))
            hidden = _normed(x, floats[f"{name}.ffn_norm.weight"])
            gate, up = self._linears(f"{name}.feed_forward.x", hidden)
            (made,) = self._linears(f"{name}.feed_forward.y", gate / (1 + np.exp(-gate)) * up)
            x = x + made
        last = _normed(x[-1:], floats["norm.weight"])
        return np.asarray((last @ floats["tok_embeddings.weight"].T)[0])

    def _attention(self, layer: int, x: np.ndarray) -> np.ndarray:
        model, first, count = self.model, len(self._kept[layer][0]), len(x)
        q, k, v = self._linears(f"layers.{layer}.attention.x", x)
        places = np.arange(first, first + count)
        q = _rotated(q.reshape(count, model.heads, self._size), places)
        k = _rotated(k.reshape(count, model.kv_heads, self._size), places)
        before = self._kept[layer]
        keys = np.concatenate([before[0], k])
        values = np.concatenate([before[1], v.reshape(count, model.kv_heads, self._size)])
        self._kept[layer] = keys, values
        shared = model.heads // model.kv_heads
        scores = np.einsum("phd,shd->hps", q, np.repeat(keys, shared, 1)) / np.float32(self._size**0.5)
        scores[:, places[:, None] < np.arange(len(keys))] = -np.inf
        weights = _softmax(scores)
        mixed = np.einsum("hps,shd->phd", weights, np.repeat(values, shared, 1))
        (made,) = self._linears(f"layers.{layer}.attention.y", mixed.reshape(count, -1))
        return made


def told(
    llama: Llama, prompt: np.ndarray, count: int, temperature: float = 0.0, seed: int = 0
) -> Iterator[int]:
    """Tokens behind a prompt, until one begins another text.

    Parameters
    ----------
    temperature : float
        0 takes the likeliest token.
    seed : int
        Same seed, same tokens.
    """
    random, tokens = np.random.default_rng(seed), prompt
    for _ in range(count):
        logits = llama.read(tokens).astype(np.float64)
        if temperature > 0:
            token = int(random.choice(len(logits), p=_softmax(logits / temperature)))
        else:
            token = int(logits.argmax())
        if token == BEGIN:
            return
        yield token
        tokens = np.array([token])


def encoded(model: StoryModel, text: str) -> np.ndarray:
    """Tokens of a text: bytes, of which the pair of the best score is joined, again and again.

    Raises
    ------
    UserError
        If a byte has no token.
    """
    known = {piece: token for token, piece in reversed(list(enumerate(model.pieces))) if piece}
    given = f" {text}".encode() if text else b""
    missing = next((byte for byte in given if bytes([byte]) not in known), None)
    if missing is not None:
        raise UserError(
            f"text of which the model knows all bytes was expected, but byte {missing} came; write another"
        )
    tokens = [known[bytes([byte])] for byte in given]
    while True:
        pairs = [known.get(model.pieces[a] + model.pieces[b], -1) for a, b in pairwise(tokens)]
        joined = [(-float(model.scores[token]), at) for at, token in enumerate(pairs) if token >= 0]
        if not joined:
            return np.array([BEGIN, *tokens])
        at = min(joined)[1]
        tokens[at : at + 2] = [pairs[at]]


def _normed(x: np.ndarray, gain: np.ndarray) -> np.ndarray:
    size = np.sqrt((x * x).mean(-1, keepdims=True, dtype=np.float32) + np.float32(EPSILON))
    return np.asarray(x / size * gain)


def _rotated(x: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Pairs of neighbours of (positions, heads, size), turned by their positions."""
    half = x.shape[-1] // 2
    angles = places[:, None] * BASE ** (-np.arange(half) / half)
    cosine, sine = (f(angles).astype(np.float32)[:, None] for f in (np.cos, np.sin))
    even, odd = x[..., ::2], x[..., 1::2]
    turned = even * cosine - odd * sine, even * sine + odd * cosine
    return np.stack(turned, -1).reshape(x.shape)


def _softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))
