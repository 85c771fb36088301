"""The networks that are compared: bits, groups and width of each, and the settings of a study."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from torch import nn

from pyqkit.quant.palquant.rewrite import palquant
from pyqkit.studies.networks.residual import SmallResNet

FLOAT = 32  # bits


@dataclass(frozen=True)
class Arm:
    """One network, beside the others of a study.

    Attributes
    ----------
    name : str
    bits : int
        Of weights and activations; `FLOAT` for a network that is not quantised.
    groups : int
    shuffle : bool
        Whether groups exchange by `CyclicShuffle`.
    widening : float
        Of every layer of a dense network.
    """

    name: str
    bits: int
    groups: int = 1
    shuffle: bool = False
    widening: float = 1.0


ARMS = (
    Arm("float", FLOAT),
    Arm("w4a4", 4),
    Arm("w2a2", 2),
    Arm("w2a2g2-plain", 2, groups=2),
    Arm("w2a2g2", 2, groups=2, shuffle=True),
    Arm("w2a2-width", 2, widening=2.0),  # as many channels as two groups
    Arm("w2a2-macs", 2, widening=sqrt(2)),  # as many products as two groups
)


@dataclass(frozen=True)
class Setting:
    """What all arms share.

    Attributes
    ----------
    data : str
        Name and SHA-256 of the images.
    colours, size : int
        Of an image.
    width, blocks : int
        Of the first stage of the dense network, and of each of its three stages.
    epochs, batch : int
    rate, grid_rate, decay : float
        As of `pyqkit.studies.palquant.optimiser.optimiser`.
    images : int
        Of the test.
    """

    data: str
    colours: int
    size: int
    width: int
    blocks: int
    epochs: int
    batch: int
    rate: float
    grid_rate: float
    decay: float
    images: int


@dataclass(frozen=True)
class Parameters:
    """All that decides a network, but for the seed."""

    arm: Arm
    setting: Setting


def network_of(arm: Arm, setting: Setting) -> nn.Module:
    """The network of an arm; first weights are drawn from torch's generator.

    Channels are last in memory, where convolutions take a third less time.
    """
    width = round(setting.width * arm.widening)
    network: nn.Module = SmallResNet(setting.colours, width, setting.blocks)
    if arm.bits != FLOAT:
        network = palquant(network, arm.groups, arm.bits, arm.bits, shuffle=arm.shuffle)
    # torch's types leave this argument out
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
