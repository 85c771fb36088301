"""Products of a network as a machine of 2-bit multipliers counts them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pyqkit.quant.palquant.layers import GridConv2d

NATIVE_BITS = 2


def native_products(network: nn.Module, shape: tuple[int, int, int]) -> int:
    """Products of 2 bits by 2 in all quantised convolutions, for one frame (counted).

    Wider products are composed: one of 4 bits by 4 is four. Stem and classifier, which the method leaves in
    float, are not counted.

    Parameters
    ----------
    network : nn.Module
    shape : (int, int, int)
        Channels, height, width of a frame.
    """
    total = 0

    def count(layer: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, GridConv2d)
        composed = 1
        for rounding in (layer.weight_quant, layer.act_quant):
            composed *= -(-rounding.format.bits // NATIVE_BITS)
        total += made[0].numel() * layer.weight[0].numel() * composed

    layers = [layer for layer in network.modules() if isinstance(layer, GridConv2d)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    before = [layer.init.clone() for layer in layers]
    for layer in layers:
        layer.init.zero_()
    with torch.no_grad():
        network.eval()(torch.zeros(1, *shape))
    for layer, init, handle in zip(layers, before, handles):
        layer.init.copy_(init)
        handle.remove()
    return total
