"""A multilayer perceptron for Fashion-MNIST."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import brevitas.nn as qnn
from torch import nn

from pyqkit.studies.networks.layers import Formats, Quantised

WIDTHS = (784, 128, 64, 10)


def perceptron(formats: Formats, quantised: bool = True, widths: Sequence[int] = WIDTHS) -> nn.Module:
    """Layers with biases and ReLU between them.

    Uint4 pixels; the last layer has the weights of the edge. Float without quantisers.
    """
    layers = Quantised(formats)
    modules: list[nn.Module] = [
        qnn.QuantIdentity(act_quant=layers.activations("uint4") if quantised else None)
    ]
    for index, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        last = index == len(widths) - 2
        name = formats.edge_weight if last else formats.weight
        modules.append(
            qnn.QuantLinear(
                inputs, outputs, bias=True, weight_quant=layers.weights(name) if quantised else None
            )
        )
        if not last:
            modules.append(layers.relu() if quantised else nn.ReLU())
    return nn.Sequential(*modules)
