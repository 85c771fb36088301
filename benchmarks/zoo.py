"""Five CIFAR-10 networks with pretrained weights, built in float or with quantisers.

One definition for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pyqkit.studies.networks.cifar10 import ResNet, ResNet8, ShuffleNet, projected, zero_padded
from pyqkit.studies.networks.layers import Float, Quantised

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


@dataclass(frozen=True)
class Entry:
    """A network of the zoo.

    Attributes
    ----------
    weights : str
        File in the data folder.
    build : callable
        Layers to a module.
    normalisation : tuple or None
        Mean and standard deviation of each colour of x / 255; None leaves pixels 0..255.
    top1 : float
        Recorded for these weights, per cent of the 5,000 test images of the data folder.
    merged : bool
        Quantised with its batch norms merged into the convolutions. Branches of a residual sum then meet in
        narrow integers, and four bits cost less accuracy; depthwise convolutions lose by it.
    """

    weights: str
    build: Callable[[Float], nn.Module]
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None
    top1: float
    merged: bool


NETWORKS: dict[str, Entry] = {
    "resnet8": Entry("resnet8_mlperftiny_cifar10.npz", ResNet8, None, 86.98, True),
    "resnet20": Entry(
        "resnet20_cifar10.npz", lambda q: ResNet(q, 3, zero_padded, "linear"), IMAGENET, 91.48, True
    ),
    "resnet44": Entry(
        "resnet44_cifar10.npz", lambda q: ResNet(q, 7, zero_padded, "linear"), IMAGENET, 92.92, True
    ),
    "resnet20b": Entry("resnet20b_cifar10.npz", lambda q: ResNet(q, 3, projected, "fc"), CIFAR, 92.56, True),
    "shufflenet": Entry("shufflenetv2_x0_5_cifar10.npz", ShuffleNet, CIFAR, 90.36, False),
}


def load(name: str, data: Path, layers: Float | None = None, merged: bool | None = None) -> nn.Module:
    """A network with its weights, ready for inference.

    A quantised one is not yet calibrated. `merged` overrules the entry.
    """
    entry = NETWORKS[name]
    merged = entry.merged if merged is None else merged
    network = entry.build(layers or Float())
    with np.load(data / entry.weights, allow_pickle=False) as archive:
        state = {key: torch.from_numpy(archive[key]) for key in archive.files}
    found = network.load_state_dict(state, strict=False)
    missing = [
        key for key in found.missing_keys if not key.endswith("num_batches_tracked") and "_quant" not in key
    ]
    if missing or found.unexpected_keys:
        raise ValueError(
            f"the weights of {name} were expected, but {missing + found.unexpected_keys} do not "
            "match; check the archive"
        )
    if merged and isinstance(layers, Quantised):
        merge_batch_norms(network)
    return network.eval()


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


def images(name: str, pixels: np.ndarray) -> np.ndarray:
    """Input of a network, float32 NCHW, of uint8 NHWC pixels."""
    normalisation = NETWORKS[name].normalisation
    x = pixels.astype(np.float64)
    if normalisation is not None:
        x = (x / 255 - normalisation[0]) / normalisation[1]
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)


def batches(x: np.ndarray, size: int = 100) -> Iterator[Tensor]:
    """Consecutive batches."""
    for first in range(0, len(x), size):
        yield torch.from_numpy(x[first : first + size])


def logits(network: nn.Module, x: np.ndarray, size: int = 100) -> np.ndarray:
    """Outputs of a network for all images."""
    with torch.inference_mode():
        return np.concatenate([network(batch).numpy() for batch in batches(x, size)])
