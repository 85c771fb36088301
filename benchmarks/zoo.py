"""Five CIFAR-10 networks with pretrained weights, built in float or with quantisers.

One definition for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pyqkit.studies.networks.layers import Float, Quantised
from pyqkit.studies.networks.pretrained import PRETRAINED

NETWORKS = ("resnet8", "resnet20", "resnet44", "resnet20b", "shufflenet")
# Quantised with batch norms merged into the convolutions: branches of a residual sum then meet in narrow
# integers, and four bits cost less accuracy. The depthwise convolutions of the last one lose by it.
MERGED = ("resnet8", "resnet20", "resnet44", "resnet20b")


def load(name: str, data: Path, layers: Float | None = None, merged: bool | None = None) -> nn.Module:
    """A network with its weights, ready for inference.

    A quantised one is not yet calibrated. `merged` overrules `MERGED`.
    """
    network = PRETRAINED[name].load(data, layers)
    if isinstance(layers, Quantised) and (name in MERGED if merged is None else merged):
        merge_batch_norms(network)
    return network


def images(name: str, pixels: np.ndarray) -> np.ndarray:
    """Input of a network, float32 NCHW, of uint8 NHWC pixels."""
    return PRETRAINED[name].images(pixels)


def merge_batch_norms(network: nn.Module) -> None:
    """Move every batch norm into the convolution that is defined right before it, as all networks here have
    it.
    """
    from brevitas.nn.utils import merge_bn

    for parent in list(network.modules()):
        convolution = None
        for key, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                convolution = child
            elif isinstance(child, nn.BatchNorm2d):
                merge_bn(convolution, child)
                setattr(parent, key, nn.Identity())


def batches(x: np.ndarray, size: int = 100) -> Iterator[Tensor]:
    """Consecutive batches."""
    for first in range(0, len(x), size):
        yield torch.from_numpy(x[first : first + size])


def logits(network: nn.Module, x: np.ndarray, size: int = 100) -> np.ndarray:
    """Outputs of a network for all images."""
    with torch.inference_mode():
        return np.concatenate([network(batch).numpy() for batch in batches(x, size)])
