"""Attention as libraries write it: timm's block, GPT's mask, windows, PyTorch's encoder; and refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pyqkit.errors import UserError
from pyqkit.graph.ops.softmax import Softmax
from pyqkit.quant import export_qonnx
from pyqkit.quant.ptq.pipeline import quantise
from tests.graph.checked import check

WIDTH, HEADS, TOKENS = 16, 4, 8
SIZE = WIDTH // HEADS


class Network(nn.Module):
    """Tokens of six channels, attention between two linear layers."""

    def __init__(self, core: nn.Module) -> None:
        super().__init__()
        self.first, self.core, self.last = nn.Linear(6, WIDTH), core, nn.Linear(WIDTH, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.core(self.first(x)))


class Timm(nn.Module):
    """The block of timm's vision transformers, with norms of queries and keys and with layer scale."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused, self.scale, self.qkv, self.proj = (
            fused,
            SIZE**-0.5,
            nn.Linear(WIDTH, 3 * WIDTH),
            nn.Linear(WIDTH, WIDTH),
        )
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6), nn.LayerNorm(WIDTH, eps=1e-6)
        self.q_norm, self.k_norm = (nn.LayerNorm(SIZE) if fused else nn.Identity() for _ in range(2))
        self.drop, self.gamma = nn.Dropout(0.1), nn.Parameter(torch.full((WIDTH,), 0.3))
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 32), nn.GELU(), nn.Dropout(0.1), nn.Linear(32, WIDTH))

    def attention(self, x: Tensor) -> Tensor:
        frames, tokens, channels = x.shape
        stacked = self.qkv(x).reshape(frames, tokens, 3, HEADS, SIZE).permute(2, 0, 3, 1, 4)
        q, k, v = stacked.unbind(0)
        q, k = self.q_norm(q), self.k_norm(k)
        if self.fused:
            dropped = self.drop.p if self.training else 0.0
            y = functional.scaled_dot_product_attention(q, k, v, dropout_p=dropped)
        else:
            y = self.drop(((q * self.scale) @ k.transpose(-2, -1)).softmax(dim=-1)) @ v
        return self.drop(self.proj(y.transpose(1, 2).reshape(frames, tokens, channels)))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x)) * self.gamma
        return x + self.mlp(self.norm2(x))


class Gpt(nn.Module):
    """Attention of nanoGPT, whose mask is a buffer for more tokens than come."""

    def __init__(self, mask: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.packed, self.out, self.mask = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH), mask
        self.register_buffer("seen", torch.tril(torch.ones(12, 12)).view(1, 1, 12, 12))

    def forward(self, x: Tensor) -> Tensor:
        frames, tokens, channels = x.size()
        q, k, v = self.packed(x).split(WIDTH, dim=2)
        q, k, v = (y.view(frames, tokens, HEADS, SIZE).transpose(1, 2) for y in (q, k, v))
        scores = self.mask((q @ k.mT) * 0.5, self.seen[:, :, :tokens, :tokens])
        y = functional.softmax(scores, dim=-1) @ v
        return self.out(y.transpose(1, 2).contiguous().view(frames, tokens, channels))


class Loops(nn.Module):
    """Attention whose forward asks for sizes, and takes tensors apart in loops."""

    def __init__(self) -> None:
        super().__init__()
        self.packed, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] > 2 * TOKENS or x.ndim != 3:
            raise ValueError("too many tokens")
        y = self.mixed(*self.packed(x).chunk(3, -1))
        return self.out(y.transpose(1, 2).reshape(x.size(0), int(x.size(1)), WIDTH))

    @staticmethod
    def mixed(*parts: Tensor) -> Tensor:
        q, k, v = (y.reshape(*y.shape[:2], HEADS, -1).transpose(1, 2) for y in parts)
        return torch.softmax(q @ k.transpose(2, 3) / int(SIZE**0.5), -1) @ v


class OwnNorm(nn.LayerNorm):
    """As libraries derive norms from PyTorch's, to call another function where that is faster."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class BehindBranches(nn.Module):
    """Norms behind attention and perceptron, in front of the sums; the second with a factor."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.inner = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True), nn.Linear(WIDTH, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.norm1(self.mix(x, x, x)[0])
        return x + self.norm2(self.inner(x)) * 0.5


class OwnRms(nn.Module):
    """With a weight of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.5, 1.5, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, x.shape[-1:], self.weight, 1e-5)


class Windows(nn.Module):
    """Tokens that look at those of their window, an axis of its own or part of the batch."""

    def __init__(self, own: bool) -> None:
        super().__init__()
        self.packed, self.out, self.own = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH), own

    def forward(self, x: Tensor) -> Tensor:
        windows = (-1, TOKENS // 4, 4, WIDTH) if self.own else (-1, 4, WIDTH)
        stacked = self.packed(x.view(windows)).unflatten(-1, (3, HEADS, SIZE))
        q, k, v = (stacked.select(-3, i).transpose(-3, -2) for i in range(3))
        y = functional.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(-3, -2).reshape(-1, TOKENS, WIDTH))


class Encoder(nn.Module):
    """Layers of PyTorch's own, under a causal mask or under none."""

    def __init__(self, causal: bool, **options: object) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 32, **{"batch_first": True, **options})  # type: ignore[arg-type]
        self.layers = nn.TransformerEncoder(layer, 1, nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        mask = nn.Transformer.generate_square_subsequent_mask(TOKENS)
        self.register_buffer("mask", mask if causal else None)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x, mask=self.mask, is_causal=self.mask is not None)


class TokensFirst(nn.Module):
    """A layer whose tokens stand before the batch, as PyTorch has them unless it is told."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.transpose(0, 1)).transpose(0, 1)


class Batched(nn.Module):
    """Products of matrices in batches, of which every head is one."""

    def __init__(self) -> None:
        super().__init__()
        self.packed, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        frames, tokens, _ = x.shape
        apart = self.packed(x).reshape(frames, tokens, 3, HEADS, SIZE).permute(2, 0, 3, 1, 4)
        q, k, v = (part.reshape(-1, tokens, SIZE) for part in apart.unbind(0))
        y = torch.bmm(torch.softmax(torch.bmm(q * SIZE**-0.5, k.transpose(1, 2)), -1), v)
        return self.out(y.reshape(frames, HEADS, tokens, SIZE).transpose(1, 2).flatten(2))


class Beit(nn.Module):
    """A bias of parts, and one number for every pair of tokens and head."""

    def __init__(self) -> None:
        super().__init__()
        self.packed, self.out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH)
        self.q_bias, self.v_bias = (nn.Parameter(torch.linspace(-1, 1, WIDTH)) for _ in range(2))
        self.register_buffer("k_bias", torch.zeros(WIDTH))
        self.table = nn.Parameter(torch.randn(2 * TOKENS - 1, HEADS))
        places = torch.arange(TOKENS)
        self.register_buffer("distances", places[:, None] - places + TOKENS - 1)

    def forward(self, x: Tensor) -> Tensor:
        bias = torch.cat((self.q_bias, self.k_bias, self.v_bias))
        packed = functional.linear(x, self.packed.weight, bias).unflatten(-1, (3, HEADS, SIZE))
        q, k, v = packed.permute(2, 0, 3, 1, 4).unbind(0)
        positions = self.table[self.distances.view(-1)].view(TOKENS, TOKENS, -1).permute(2, 0, 1)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=positions.contiguous()[None])
        return self.out(y.transpose(1, 2).flatten(2))


class Pooled(nn.Module):
    """Tokens that a query looks at which is a parameter of the network."""

    def __init__(self) -> None:
        super().__init__()
        self.latent = nn.Parameter(torch.linspace(-2, 2, WIDTH).view(1, 1, WIDTH))
        self.q, self.kv = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q = self.q(self.latent.expand(x.shape[0], -1, -1)).unflatten(-1, (HEADS, SIZE)).transpose(1, 2)
        k, v = self.kv(x).unflatten(-1, (2, HEADS, SIZE)).permute(2, 0, 3, 1, 4).unbind(0)
        return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class Letters(nn.Module):
    """Sums by letters, weights of the last layer among them, and branches that are stacked and added."""

    def __init__(self) -> None:
        super().__init__()
        self.packed, self.inner = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.out = nn.Parameter(torch.randn(HEADS, SIZE, WIDTH) / 4)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.packed(x).unflatten(-1, (3, HEADS, SIZE)).unbind(2)
        shares = (torch.einsum("b i h d, b j h d -> b h i j", q, k) * SIZE**-0.5).softmax(-1)
        mixed = torch.einsum("bhij,bjhd->bihd", shares, v)
        return torch.stack([torch.einsum("bihd,hde->bie", mixed, self.out), self.inner(x)]).sum(dim=0)


class Cross(nn.Module):
    """Two tokens that look at the others, as a class token does, and once more."""

    def forward(self, x: Tensor) -> Tensor:
        y = functional.scaled_dot_product_attention(x[:, :2], x[:, 2:], x[:, 2:])
        return functional.scaled_dot_product_attention(y, x, x)


FORMS: dict[str, tuple[Callable[[], nn.Module], bool]] = {
    "timm": (lambda: Timm(False), False),
    "timm, fused": (lambda: Timm(True), False),
    "a mask filled in": (lambda: Gpt(lambda s, m: s.masked_fill(m == 0, float("-inf"))), True),
    "a mask chosen": (lambda: Gpt(lambda s, m: torch.where(m > 0, s, -1e9)), True),
    "a mask added": (lambda: Gpt(lambda s, m: s + (1.0 - m) * -1e9), True),
    "sizes and loops": (Loops, False),
    "norms of a library": (lambda: nn.Sequential(OwnNorm(WIDTH), Timm(True), OwnRms()), False),
    "norms behind branches": (BehindBranches, False),
    "windows": (lambda: Windows(True), False),
    "windows in the batch": (lambda: Windows(False), False),
    "heads in the batch": (Batched, False),
    "tokens before the batch": (lambda: TokensFirst(Encoder(False, batch_first=False)), False),
    "positions of pairs": (Beit, False),
    "queries that are weights": (Pooled, False),
    "sums by letters": (Letters, False),
    "another sequence": (Cross, False),
    "PyTorch's encoder": (lambda: Encoder(False, norm_first=True, activation="gelu"), False),
    "PyTorch's encoder, causal": (lambda: Encoder(True), True),
}


def frames() -> np.ndarray:
    return np.random.default_rng(5).normal(0, 1, (10, TOKENS, 6)).astype(np.float32)


def made(core: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(1)
    return Network(core()).eval()


@pytest.mark.parametrize("name", FORMS)
def test_attention_of_this_form_runs_as_the_reference_says(name: str, tmp_path: Path) -> None:
    core, causal = FORMS[name]
    model, x = made(core), frames()
    rounded = quantise(model, x, weights="int8")
    graph = check(onnx.load(export_qonnx(rounded, torch.from_numpy(x[:2]), tmp_path / "net.onnx")), x)
    assert {op.causal for op in graph.operators if isinstance(op, Softmax)} == {causal}
    with torch.no_grad():
        wanted, found = (net(torch.from_numpy(x)).numpy() for net in (model, rounded))
    assert np.median(np.abs(found - wanted)) < 0.03 * np.abs(wanted).max()


class Hidden(nn.Module):
    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(x, x, x, attn_mask=self.mask)


class Dropped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(x, x, x, dropout_p=0.1)


class Uneven(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (3, -1)).flatten(2)


class Padded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 32, batch_first=True)
        self.register_buffer("padding", torch.arange(TOKENS)[None] > 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, src_key_padding_mask=self.padding.expand(x.shape[0], -1))


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "truth values": (
        lambda: Hidden(torch.eye(TOKENS) == 0),
        "has attn_mask; leave it out, take is_causal=True, or add constants that hide nothing",
    ),
    "minus infinity elsewhere": (
        lambda: Hidden(torch.where(torch.eye(TOKENS) == 0, 0.0, -torch.inf)),
        "has attn_mask; leave it out",
    ),
    "dropout": (
        Dropped,
        "drops shares in evaluation, too; pass dropout_p=self.dropout if self.training else 0.0",
    ),
    "heads that do not divide": (Uneven, "and sizes inside the network (heads have to divide channels)"),
    "padding": (Padded, "it has the mask key_padding_mask"),
    "a mask of neighbours": (
        lambda: Gpt(lambda s, m: s.masked_fill(m.transpose(-2, -1) == 0, float("-inf"))),
        "a causal mask on the keys of attention was expected, in which a token sees itself and those before",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_attention_of_this_form_is_refused_in_a_sentence(name: str) -> None:
    core, sentence = REFUSED[name]
    with pytest.raises(UserError) as caught:
        quantise(made(core), frames(), weights="int8")
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
