"""PalQuant: a network for many bits as parallel groups of few bits (Hu et al., ECCV 2022).

A network of M bits becomes G groups, each as wide as the network was, trained from scratch in K bits. Groups
exchange what they know by `CyclicShuffle` alone. The quantiser is the method's own, after the authors'
code (https://github.com/huqinghao/PalQuant); LSQ is another, under its own name.
"""

from pyqkit.quant.palquant.checkpoint import load_checkpoint
from pyqkit.quant.palquant.deploy import deploy
from pyqkit.quant.palquant.layers import (
    CyclicShuffle,
    LsqConv2d,
    LsqLinear,
    PalConv2d,
    PalLinear,
    channel_shuffle,
    rotated,
)
from pyqkit.quant.palquant.resnet import PalResNet
from pyqkit.quant.palquant.rewrite import groups_for, palquant

__all__ = [
    "CyclicShuffle",
    "LsqConv2d",
    "LsqLinear",
    "PalConv2d",
    "PalLinear",
    "PalResNet",
    "channel_shuffle",
    "deploy",
    "groups_for",
    "load_checkpoint",
    "palquant",
    "rotated",
]
