"""A small Vision Transformer for CIFAR-10, named as the tensors in the weight archive of a pretrained one.

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
    """Attention and a perceptron, each added to its input and normalised behind the sum."""

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.linear1 = nn.Linear(width, hidden)
        self.relu = nn.ReLU()
        self.linear2 = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.self_attn(x))
        return self.norm2(x + self.linear2(self.relu(self.linear1(x))))


class Encoder(nn.Module):
    """Layers, one after the other."""

    def __init__(self, width: int, hidden: int, heads: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(EncoderLayer(width, hidden, heads) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class PatchEmbedding(nn.Module):
    """Tokens (frames, patches, width) of the patches of an image, row by row."""

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """Patches of 4x4 pixels, 6 layers of width 128 with 8 heads, the classifier on the class token."""

    def __init__(self, width: int = 128, hidden: int = 256, heads: int = 8, depth: int = 6) -> None:
        super().__init__()
        patch, side = 4, 32
        self.patch_embed = PatchEmbedding(patch, width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (side // patch) ** 2, width))
        self.transformer = Encoder(width, hidden, heads, depth)
        self.mlp_head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 10))

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch_embed(x)
        tokens = torch.cat((self.cls_token.expand(patches.shape[0], -1, -1), patches), 1) + self.pos_embed
        return self.mlp_head(self.transformer(tokens)[:, 0])
