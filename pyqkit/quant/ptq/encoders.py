"""``torch.nn.TransformerEncoder`` and its layers, written so that `torch.fx` goes into them.

PyTorch's own forward asks whether a faster way is open, which depends on tensors.
"""

from __future__ import annotations

from torch import Tensor, nn


class _Layer(nn.TransformerEncoderLayer):
    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        masks = src_mask, src_key_padding_mask
        if self.norm_first:
            x = src + self._attended(self.norm1(src), *masks)
            return x + self._perceptron(self.norm2(x))
        x = self.norm1(src + self._attended(src, *masks))
        found: Tensor = self.norm2(x + self._perceptron(x))
        return found

    def _attended(self, x: Tensor, mask: Tensor | None, padding: Tensor | None) -> Tensor:
        found = self.self_attn(x, x, x, attn_mask=mask, key_padding_mask=padding, need_weights=False)[0]
        dropped: Tensor = self.dropout1(found)
        return dropped

    def _perceptron(self, x: Tensor) -> Tensor:
        hidden = self.dropout(self.activation(self.linear1(x)))
        found: Tensor = self.dropout2(self.linear2(hidden))
        return found


class _Encoder(nn.TransformerEncoder):
    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        for layer in self.layers:
            src = layer(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask)
        return src if self.norm is None else self.norm(src)


def open_encoders(model: nn.Module) -> None:
    """Make PyTorch's encoders within a module ones that can be followed; what they compute stays."""
    for module in model.modules():
        if type(module) is nn.TransformerEncoderLayer:
            module.__class__ = _Layer
        elif type(module) is nn.TransformerEncoder:
            module.__class__ = _Encoder
