"""Brevitas' attention as the exporter can write it: with the batch as the first axis throughout."""

from __future__ import annotations

from typing import Any

import torch
from brevitas.nn import QuantMultiheadAttention
from torch import Tensor, nn

from pyqkit.errors import UserError

_MASK = "quantise the float network by pyqkit quantise, which puts a causal mask behind the quantiser"


class _BatchFirst(QuantMultiheadAttention):
    """``brevitas.nn.QuantMultiheadAttention``, without its batch merged with the heads."""

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """As Brevitas' own, number by number; shapes are those of ``torch.nn.MultiheadAttention``."""
        self._check(query, key, value, key_padding_mask, attn_mask)
        given = [x if self.batch_first else x.transpose(0, 1) for x in (query, key, value)]
        if self.in_proj is not None:
            parts = self.in_proj(given[0]).chunk(3, dim=-1)
        else:
            parts = [proj(x) for proj, x in zip((self.q_proj, self.k_proj, self.v_proj), given)]
        q, k, v = (self._heads(part) for part in parts)
        right = self.k_transposed_quant(k.transpose(-2, -1))
        scores = torch.matmul(self.q_scaled_quant(q / self.head_dim**0.5), right)
        shares = self.attn_output_weights_quant(self.softmax_input_quant(scores).softmax(dim=-1))
        made = self.out_proj(torch.matmul(shares, self.v_quant(v)).transpose(1, 2).flatten(2))
        weights = (shares.mean(dim=1) if average_attn_weights else shares) if need_weights else None
        return (made if self.batch_first else made.transpose(0, 1)), weights

    def _heads(self, x: Any) -> Tensor:
        frames, tokens, _ = x.shape
        apart: Tensor = x.reshape(frames, tokens, self.num_heads, self.head_dim)
        return apart.transpose(1, 2)

    def _apart(self, query: Any, key: Any, value: Any) -> bool:
        return self.in_proj is not None and not (key is query and value is query)

    def _check(self, query: Any, key: Any, value: Any, padding: Tensor | None, mask: Tensor | None) -> None:
        wrong = (
            (padding is not None, "a key_padding_mask", "give all frames as many tokens"),
            (mask is not None, "an attn_mask, which meets scores before they are quantised,", _MASK),
            (self.bias_k is not None, "add_bias_kv", "leave it out"),
            (self.add_zero_attn, "add_zero_attn", "leave it out"),
            (query.dim() != 3, "frames without a batch", "pass tensors of three axes"),
            (self._apart(query, key, value), "keys or values of another tensor", "pack no projections"),
        )
        for came, what, remedy in wrong:
            if came:
                raise UserError(
                    f"QuantMultiheadAttention of whole frames was expected, but {what} came; {remedy}"
                )


def write_out_attention(model: nn.Module) -> None:
    """Make every attention layer of Brevitas one whose batch stays the first axis."""
    for module in model.modules():
        if type(module) is QuantMultiheadAttention:
            module.__class__ = _BatchFirst
