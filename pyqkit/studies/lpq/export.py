"""The network that a search has found, as a module that compiles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn

from pyqkit.quant.ptq import Network, Recipe
from pyqkit.quant.ptq.quantiser import Quantiser
from pyqkit.studies.lpq.result import CodedLayer

# Of tensors that no layer with weights reads, such as what a pool does: eight bits
_OTHERS = Recipe.of("lp8_0_7", scaling="real")


def quantised(model: nn.Module, images: Tensor, layers: Sequence[CodedLayer]) -> nn.Module:
    """The network with the formats and scales of a result.

    Batch norms go into the layers before them: codes of weights stay those that the search has seen, and
    each output channel has a scale of its own then.

    Parameters
    ----------
    model : torch.nn.Module
        Float.
    images : torch.Tensor
        The calibration images.
    layers : sequence of CodedLayer

    Raises
    ------
    UserError
        If the network cannot be rewritten.
    """
    network = Network(model, images)
    network.quantise(_OTHERS)
    for coded in layers:
        layer, coding = network.quant_layer(coded.layer), coded.weight_coding
        original = model.get_submodule(coded.layer).weight
        assert isinstance(original, Tensor)
        stretch = _stretch(original.detach(), layer.weight.detach())
        rounded = torch.from_numpy(coding.quantise(original.detach().numpy()))
        layer.weight.data = rounded * stretch
        layer.weight_quant.become(coding.format, coding.scale * _positive(stretch))
        activation = coded.activation_coding
        _quantiser(network, coded.layer).become(activation.format, torch.tensor(activation.scale))
    return network.quantised


def _stretch(original: Tensor, merged: Tensor) -> Tensor:
    """What a batch norm has multiplied the weights of each output by, in a shape that broadcasts."""
    rows, stretched = original.flatten(1), merged.flatten(1)
    largest = rows.abs().argmax(1, keepdim=True)
    before, after = rows.gather(1, largest), stretched.gather(1, largest)
    factor = torch.where(before == 0, torch.ones_like(before), after / before)
    return factor.reshape(-1, *(1,) * (original.ndim - 1))


def _positive(stretch: Tensor) -> Tensor:
    """Magnitudes; 1 where an output is multiplied by zero, for a scale has to be positive."""
    return torch.where(stretch == 0, torch.ones_like(stretch), stretch.abs())


def _quantiser(network: Network, layer: str) -> Quantiser:
    """The quantiser of what a layer reads, which may have been moved since."""
    (node,) = (n for n in network.quantised.graph.nodes if n.op == "call_module" and n.target == layer)
    while not (isinstance(node, fx.Node) and node.target in network.quantisers):
        node = node.all_input_nodes[0]
    return network.quantisers[str(node.target)]
