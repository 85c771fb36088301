"""What post-training quantisation made of a network: formats, scales, and how far from float it is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.quantiser import Quantiser


@dataclass(frozen=True)
class Rounded:
    """A tensor that is rounded.

    Attributes
    ----------
    layer : str
    what : {"weights", "activations"}
    format : str
    smallest_scale, largest_scale : float
    sqnr_db : float or None
        Power of weights over that of what rounding changes; None for activations, and where nothing changes.
    """

    layer: str
    what: str
    format: str
    smallest_scale: float
    largest_scale: float
    sqnr_db: float | None = None


@dataclass(frozen=True)
class Summary:
    """Of a network and its calibration frames.

    Attributes
    ----------
    tensors : tuple of Rounded
        In order of execution, weights first.
    frames : int
        Calibration frames.
    sqnr_db : float or None
        Of the outputs, against those of the float network.
    agreement : float or None
        Part of the frames whose largest output is the same as in float; None where outputs are no scores.
    """

    tensors: tuple[Rounded, ...]
    frames: int
    sqnr_db: float | None
    agreement: float | None

    def to_json(self) -> dict[str, object]:
        """As plain data."""
        return asdict(self)


def summary(network: Network, original: nn.Module) -> Summary:
    """Of a quantised network, beside the float module that it was made of."""
    weights = []
    for name in network.layers:
        layer = network.quant_layer(name)
        with torch.no_grad():
            changed = layer.weight_quant(network.float_layer(name).weight)
        decibels = _sqnr(network.float_layer(name).weight, changed)
        weights.append(_rounded(name, "weights", layer.weight_quant, decibels))
    acts = [
        _rounded(name.removesuffix(".act_quant"), "activations", quantiser)
        for name, quantiser in network.quantisers.items()
    ]
    with torch.no_grad():
        wanted, made = (
            torch.cat([_first(module(batch)) for batch in network.batches()])
            for module in (original, network.quantised)
        )
    scores = wanted.ndim == 2 and wanted.shape[1] > 1
    agreement = float((wanted.argmax(1) == made.argmax(1)).double().mean()) if scores else None
    return Summary((*weights, *acts), len(network.data), _sqnr(wanted, made), agreement)


def _first(made: Tensor | tuple[Tensor, ...]) -> Tensor:
    return made if isinstance(made, Tensor) else made[0]


def _rounded(layer: str, what: str, quantiser: Quantiser, decibels: float | None = None) -> Rounded:
    scale = quantiser.scale
    return Rounded(layer, what, quantiser.format.name, float(scale.min()), float(scale.max()), decibels)


def _sqnr(wanted: Tensor, made: Tensor) -> float | None:
    wanted, made = wanted.detach(), made.detach()
    noise, power = float((wanted - made).double().square().sum()), float(wanted.double().square().sum())
    return 10 * math.log10(power / noise) if noise and power else None
