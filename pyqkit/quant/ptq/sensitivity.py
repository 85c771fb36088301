"""How much each tensor's rounding alone changes the outputs of a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from pyqkit.errors import UserError
from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.quantiser import Quantiser


@dataclass(frozen=True)
class Sensitivity:
    """What comes of rounding one tensor, all others being real.

    Attributes
    ----------
    name : str
        Of the layer with the weights, or of the quantiser of activations.
    tensor : {"weights", "activations"}
    format : str
    noise : float
        Mean square of the change of the outputs, relative to the mean square of the outputs.
    divergence : float
        Mean Kullback-Leibler divergence of the softened outputs, in nat.
    agreement : float
        Share of frames whose largest output is the same, 0..1.
    """

    name: str
    tensor: Literal["weights", "activations"]
    format: str
    noise: float
    divergence: float
    agreement: float


def sensitivities(network: Network) -> tuple[Sensitivity, ...]:
    """Of all weights and activations that are rounded, in order of execution, on the calibration frames.

    Parameters
    ----------
    network : Network
        At the stage "calibrated"; its outputs are (frames, classes).

    Raises
    ------
    UserError
        If they are not.
    """
    weights = {name: network.quant_layer(name).weight_quant for name in network.layers}
    everything = [*weights.values(), *network.quantisers.values()]
    with torch.no_grad(), _off(everything):
        real = _outputs(network)
        if real.ndim != 2:
            raise UserError(
                "a network whose outputs are (frames, classes) was expected for sensitivities, but they "
                f"have {real.ndim} axes; leave them out"
            )
        found = [_alone(network, name, "weights", quantiser, real) for name, quantiser in weights.items()]
        found += [
            _alone(network, name, "activations", quantiser, real)
            for name, quantiser in network.quantisers.items()
        ]
    order = {str(node.target): i for i, node in enumerate(network.quantised.graph.nodes)}
    return tuple(sorted(found, key=lambda entry: order[entry.name]))


def _alone(
    network: Network,
    name: str,
    tensor: Literal["weights", "activations"],
    quantiser: Quantiser,
    real: Tensor,
) -> Sensitivity:
    quantiser.enabled = True
    outputs = _outputs(network)
    quantiser.enabled = False
    return Sensitivity(
        name,
        tensor,
        quantiser.format.name,
        float((outputs - real).square().mean() / real.square().mean()),
        float(
            functional.kl_div(
                outputs.log_softmax(1), real.log_softmax(1), reduction="batchmean", log_target=True
            )
        ),
        float((outputs.argmax(1) == real.argmax(1)).float().mean()),
    )


def _outputs(network: Network) -> Tensor:
    return torch.cat([network.quantised(batch) for batch in network.batches()])


@contextmanager
def _off(quantisers: list[Quantiser]) -> Iterator[None]:
    before = [quantiser.enabled for quantiser in quantisers]
    for quantiser in quantisers:
        quantiser.enabled = False
    try:
        yield
    finally:
        for quantiser, enabled in zip(quantisers, before):
            quantiser.enabled = enabled
