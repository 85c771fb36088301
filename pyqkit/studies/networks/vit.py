"""Vision Transformers for small images: of patches, or behind a convolutional stem.

The first is named as the tensors in the weight archive of a pretrained one, which is for CIFAR-10.
The queries, keys and values of a layer come from one linear layer, ``self_attn.in_proj``, whose rows are
stacked in this order; the archive calls its tensors ``in_proj_weight`` and ``in_proj_bias``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Self-attention of `heads` heads on tokens (frames, tokens, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        # (query, key or value; frames, heads, tokens, size)
        stacked = self.in_proj(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(stacked[0], stacked[1], stacked[2])
        return self.out_proj(y.transpose(1, 2).flatten(2))


class EncoderLayer(nn.Module):
    """Attention and a perceptron, each added to its input; norms stand behind the sums or before both."""

    def __init__(self, width: int, hidden: int, heads: int, norm_first: bool = False) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.self_attn = Attention(width, heads)
        self.linear1 = nn.Linear(width, hidden)
        self.relu = nn.ReLU()
        self.linear2 = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        if self.norm_first:
            x = x + self.self_attn(self.norm1(x))
            return x + self._perceptron(self.norm2(x))
        x = self.norm1(x + self.self_attn(x))
        return self.norm2(x + self._perceptron(x))

    def _perceptron(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear2(self.relu(self.linear1(x)))
        return y


class Encoder(nn.Module):
    """Layers, one after the other."""

    def __init__(self, width: int, hidden: int, heads: int, depth: int, norm_first: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(EncoderLayer(width, hidden, heads, norm_first) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class PatchEmbedding(nn.Module):
    """Tokens (frames, patches, width) of the patches of an image, row by row."""

    def __init__(self, colours: int, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(colours, width, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """Patches, layers, the classifier on the class token; as it is, that of the archive.

    Parameters
    ----------
    width, hidden, heads, depth : int
        Channels of a token and of the perceptrons, heads and layers.
    patch, side, colours : int
        Pixels along a patch and along an image, and channels of it.
    norm_first : bool
        Norms stand before attention and perceptrons, not behind the sums.
    """

    def __init__(
        self,
        width: int = 128,
        hidden: int = 256,
        heads: int = 8,
        depth: int = 6,
        *,
        patch: int = 4,
        side: int = 32,
        colours: int = 3,
        norm_first: bool = False,
    ) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(colours, patch, width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (side // patch) ** 2, width))
        self.transformer = Encoder(width, hidden, heads, depth, norm_first)
        self.mlp_head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 10))

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch_embed(x)
        tokens = torch.cat((self.cls_token.expand(patches.shape[0], -1, -1), patches), 1) + self.pos_embed
        return self.mlp_head(self.transformer(tokens)[:, 0])


class HybridTransformer(nn.Module):
    """A convolution and a pool make tokens, whose sum, weighted by a softmax over them, is classified.

    Norms stand before attention and perceptrons (Hassani et al., "Escaping the Big Data Paradigm with Compact
    Transformers", 2021). Parameters are those of `VisionTransformer`.
    """

    def __init__(
        self, width: int, hidden: int, heads: int, depth: int, *, side: int = 32, colours: int = 3
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(colours, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.pos_embed = nn.Parameter(torch.zeros(1, (side // 2) ** 2, width))
        self.transformer = Encoder(width, hidden, heads, depth, norm_first=True)
        self.norm = nn.LayerNorm(width)
        self.pool = nn.Linear(width, 1)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.stem(x).flatten(2).transpose(1, 2) + self.pos_embed
        tokens = self.norm(self.transformer(tokens))
        shares = functional.softmax(self.pool(tokens), dim=1)
        y: Tensor = self.head((shares.transpose(1, 2) @ tokens).squeeze(1))
        return y
