"""Small language models as plain modules, named as the tensors in the archives of pretrained ones.

`Llama` is the family of llama2.c's tinyllamas: RMS norms, rotary embedding of neighbouring pairs, grouped
queries, a gated perceptron, the head tied to the embedding. `CharGpt` is a GPT on characters: layer norms,
learned positions, a perceptron with ReLU.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pyqkit.studies.microscopiq.cache import Cache

EPSILON = 1e-5
_BASE = 10000.0  # of rotary embeddings


@dataclass(frozen=True)
class Path:
    """Channels that one module makes and others read, with nothing between that a factor would not pass.

    Attributes
    ----------
    source : torch.nn.Module
        A norm, whose gain (and bias) makes channels, or a linear layer, whose rows do.
    readers : tuple of torch.nn.Linear
    channels : Tensor, int64
        For every column of the readers the channel of the source that it reads.
    """

    source: nn.Module
    readers: tuple[nn.Linear, ...]
    channels: Tensor

    @property
    def from_norm(self) -> bool:
        """Whether the source is a norm."""
        return not isinstance(self.source, nn.Linear)

    @property
    def count(self) -> int:
        """Channels of the source."""
        return len(self._parameters()[0])

    def scale(self, factors: Tensor) -> None:
        """Divide the source's channels by positive factors, and multiply the columns that read them."""
        with torch.no_grad():
            for parameter in self._parameters():
                parameter.div_(factors.reshape(-1, *[1] * (parameter.ndim - 1)))
            for reader in self.readers:
                reader.weight.mul_(factors[self.channels])

    def _parameters(self) -> list[nn.Parameter]:
        return list(self.source.parameters())


def _straight(source: nn.Module, *readers: nn.Linear) -> Path:
    return Path(source, readers, torch.arange(readers[0].in_features))


class LanguageModel(nn.Module, ABC):
    """Tokens (sequences, positions) to logits (sequences, positions, vocabulary)."""

    @abstractmethod
    def paths(self) -> Iterator[Path]:
        """Where channels may be scaled without changing the function, up to rounding."""

    def put_cache(self, cache: Cache) -> None:
        """Give every attention a cache."""
        for module in self.modules():
            if isinstance(module, Attention):
                module.cache = cache


class Attention(nn.Module):
    """What may have a cache of few bits."""

    cache: Cache | None = None


class LlamaAttention(Attention):
    """Causal attention with rotary embeddings; several query heads read one head of keys and values."""

    def __init__(self, width: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        size = width // heads
        self.heads, self.kv_heads, self.size = heads, kv_heads, size
        self.wq = nn.Linear(width, width, bias=False)
        self.wk = nn.Linear(width, kv_heads * size, bias=False)
        self.wv = nn.Linear(width, kv_heads * size, bias=False)
        self.wo = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q = _rotated(self.wq(x).unflatten(-1, (self.heads, self.size)).transpose(1, 2))
        k = _rotated(self.wk(x).unflatten(-1, (self.kv_heads, self.size)).transpose(1, 2))
        v = self.wv(x).unflatten(-1, (self.kv_heads, self.size)).transpose(1, 2)
        made = _attended(q, k, v, self.cache)
        return self.wo(made.transpose(1, 2).flatten(2))

    def channels(self) -> Tensor:
        """For every column of ``wo`` the row of ``wv`` that it reads."""
        rows = torch.arange(self.kv_heads * self.size).reshape(self.kv_heads, self.size)
        return rows.repeat_interleave(self.heads // self.kv_heads, 0).flatten()


def _attended(q: Tensor, k: Tensor, v: Tensor, cache: Cache | None) -> Tensor:
    """Causal attention; several heads of queries may share one of keys and values."""
    if cache is not None:
        return cache.attend(q, k, v)
    k, v = (part.repeat_interleave(q.shape[1] // k.shape[1], 1) for part in (k, v))
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def _rotated(x: Tensor) -> Tensor:
    """Rotary embedding of (sequences, heads, positions, size), on pairs of neighbours."""
    half = x.shape[-1] // 2
    rates = _BASE ** (-torch.arange(half, dtype=torch.float32) / half)
    angles = torch.arange(x.shape[-2], dtype=torch.float32)[:, None] * rates
    even, odd = x[..., ::2], x[..., 1::2]
    turned = even * angles.cos() - odd * angles.sin(), even * angles.sin() + odd * angles.cos()
    return torch.stack(turned, -1).flatten(-2)


class GatedPerceptron(nn.Module):
    """``w2(silu(w1 x) * w3 x)``."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.w1, self.w3 = nn.Linear(width, hidden, bias=False), nn.Linear(width, hidden, bias=False)
        self.w2 = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(functional.silu(self.w1(x)) * self.w3(x))


class LlamaLayer(nn.Module):
    """Attention and a perceptron, each behind a norm and added to its input."""

    def __init__(self, width: int, hidden: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.attention = LlamaAttention(width, heads, kv_heads)
        self.feed_forward = GatedPerceptron(width, hidden)
        self.attention_norm = nn.RMSNorm(width, EPSILON)
        self.ffn_norm = nn.RMSNorm(width, EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.feed_forward(self.ffn_norm(x))


class Llama(LanguageModel):
    """By default of the size of ``stories260k``."""

    def __init__(
        self,
        vocabulary: int = 512,
        width: int = 64,
        hidden: int = 172,
        depth: int = 5,
        heads: int = 8,
        kv_heads: int = 4,
    ) -> None:
        super().__init__()
        self.tok_embeddings = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(LlamaLayer(width, hidden, heads, kv_heads) for _ in range(depth))
        self.norm = nn.RMSNorm(width, EPSILON)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tok_embeddings(tokens)
        for layer in self.layers:
            x = layer(x)
        return functional.linear(self.norm(x), self.tok_embeddings.weight)

    def paths(self) -> Iterator[Path]:
        for layer in self.layers:
            assert isinstance(layer, LlamaLayer)
            attention, perceptron = layer.attention, layer.feed_forward
            yield _straight(layer.attention_norm, attention.wq, attention.wk, attention.wv)
            yield Path(attention.wv, (attention.wo,), attention.channels())
            yield _straight(layer.ffn_norm, perceptron.w1, perceptron.w3)
            yield _straight(perceptron.w3, perceptron.w2)


class DocstringLlama(Llama):
    """Of width 128, on ASCII characters: 0.8 M parameters."""

    def __init__(self) -> None:
        super().__init__(128, 128, 384, 4, 4, 2)


class CharAttention(Attention):
    """Causal attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        made = _attended(q, k, v, self.cache)
        return self.proj(made.transpose(1, 2).flatten(2))


class Perceptron(nn.Module):
    """Two layers with ReLU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.net(x)
        return made


class CharBlock(nn.Module):
    """Attention and a perceptron, each behind a norm and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.sa, self.ffwd = CharAttention(width, heads), Perceptron(width, 4 * width)
        self.ln1, self.ln2 = nn.LayerNorm(width, EPSILON), nn.LayerNorm(width, EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.sa(self.ln1(x))
        return x + self.ffwd(self.ln2(x))


class CharGpt(LanguageModel):
    """By default of the size of ``chargpt_shakespeare``."""

    def __init__(
        self, vocabulary: int = 65, width: int = 128, depth: int = 4, heads: int = 4, context: int = 64
    ) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.position_embedding = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(CharBlock(width, heads) for _ in range(depth))
        self.ln_f = nn.LayerNorm(width, EPSILON)
        self.lm_head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token_embedding(tokens) + self.position_embedding.weight[: tokens.shape[-1]]
        for block in self.blocks:
            x = block(x)
        return self.lm_head(self.ln_f(x))

    def paths(self) -> Iterator[Path]:
        for block in self.blocks:
            assert isinstance(block, CharBlock)
            first, last = block.ffwd.net[0], block.ffwd.net[2]
            assert isinstance(first, nn.Linear) and isinstance(last, nn.Linear)
            yield _straight(block.ln1, block.sa.query, block.sa.key, block.sa.value)
            yield _straight(block.sa.value, block.sa.proj)
            yield _straight(block.ln2, first)
            yield _straight(first, last)
