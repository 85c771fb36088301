"""Keys and values of attention in few bits, as a cache keeps them (after KIVI, Liu et al., ICML 2024)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_SCALE_BITS = 32  # of a group: its smallest value and its step, float16 each


@dataclass(frozen=True)
class Cache:
    """What a cache does to old tokens; the last ones stay float.

    Keys are rounded when `residual` tokens are complete: a group is a channel of those tokens. Values are
    rounded one token after the other, when `residual` others have come: a group is a token, with all of its
    heads. Groups have evenly spaced levels from their smallest value to their largest.

    Attributes
    ----------
    bits : int
    residual : int
    """

    bits: int = 2
    residual: int = 16

    def stored_bits(self, channels: int) -> tuple[float, float]:
        """Of an old key and an old value, for so many channels of a token."""
        return self.bits + _SCALE_BITS / self.residual, self.bits + _SCALE_BITS / channels

    def keys(self, x: Tensor) -> Tensor:
        """Rounded keys (sequences, heads, positions, size); what fills no block is left alone."""
        whole = x.shape[2] // self.residual * self.residual
        blocks = x[:, :, :whole].unflatten(2, (-1, self.residual))
        return torch.cat((self._rounded(blocks, (3,)).flatten(2, 3), x[:, :, whole:]), 2)

    def values(self, x: Tensor) -> Tensor:
        """Rounded values, likewise."""
        return self._rounded(x, (1, 3))

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Causal attention of queries, as a decoder that reads one token after the other would compute it.

        Parameters
        ----------
        q, k, v : Tensor
            (sequences, heads, positions, size); several heads of queries may share one of keys and values.
        """
        shared = q.shape[1] // k.shape[1]
        new_k, old_k, new_v, old_v = (
            part.repeat_interleave(shared, 1) for part in (k, self.keys(k), v, self.values(v))
        )
        at, of = torch.arange(q.shape[2])[:, None], torch.arange(q.shape[2])
        scores = torch.where(of < at // self.residual * self.residual, q @ old_k.mT, q @ new_k.mT)
        shares = (scores / q.shape[-1] ** 0.5).masked_fill(of > at, -torch.inf).softmax(-1)
        old = of < at - self.residual
        return shares.where(old, 0) @ old_v + shares.where(~old, 0) @ new_v

    def _rounded(self, x: Tensor, along: tuple[int, ...]) -> Tensor:
        low, high = x.amin(along, True).half().float(), x.amax(along, True)
        step = ((high - low) / (2**self.bits - 1)).clamp(min=2.0**-14).half().float()
        return ((x - low) / step).round().clamp(0, 2**self.bits - 1) * step + low
