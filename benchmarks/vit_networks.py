"""Vision transformers that `vit.py` measures: a pretrained one for CIFAR-10, two trained here on digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import zoo
from torch import nn

from pyqkit.studies import datasets
from pyqkit.studies.networks.vit import HybridTransformer, VisionTransformer
from pyqkit.studies.trainer import Recipe, train

SEED = 0
_TRAINING = Recipe(epochs=40, batch=32, rate=3e-3, schedule="one_cycle")


@dataclass(frozen=True)
class Source:
    """A float network and its images.

    Attributes
    ----------
    said : str
        What it is, for a page.
    model : callable
        Folder of data to a network ready for inference.
    images : callable
        Folder of data to images of training, images of test, and labels of these.
    """

    said: str
    model: Callable[[Path], nn.Module]
    images: Callable[[Path], tuple[np.ndarray, np.ndarray, np.ndarray]]


def _cifar10(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with np.load(data / datasets.TRAINING, allow_pickle=False) as archive:
        frames = archive["x"][:2048]
    with np.load(data / datasets.TEST, allow_pickle=False) as archive:
        return zoo.images("vit", frames), zoo.images("vit", archive["x"]), archive["y"]


def _digits(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, _, x_test, y_test = datasets.digits(SEED)
    return x, x_test, y_test


def _trained(make: Callable[[], nn.Module]) -> Callable[[Path], nn.Module]:
    @cache
    def model() -> nn.Module:
        torch.manual_seed(SEED)
        network = make()
        x, y, _, _ = datasets.digits(SEED)
        train(network, x, y, _TRAINING, SEED)
        return network

    return lambda data: model()


NETWORKS = {
    "vit": Source(
        "six layers of width 128 with 8 heads, norms behind the sums, a class token, 65 tokens, 32 x 32 "
        "pixels of CIFAR-10, pretrained",
        lambda data: zoo.load("vit", data),
        _cifar10,
    ),
    "pre-norm": Source(
        "two layers of width 32 with 4 heads, norms in front, a class token, 17 tokens, 8 x 8 pixels of "
        "scikit-learn's digits, trained here",
        _trained(lambda: VisionTransformer(32, 64, 4, 2, patch=2, side=8, colours=1, norm_first=True)),
        _digits,
    ),
    "hybrid": Source(
        "the same layers on 16 tokens, which a convolution and a pool make, and the sum of all tokens "
        "weighted by a softmax over them",
        _trained(lambda: HybridTransformer(32, 64, 4, 2, side=8, colours=1)),
        _digits,
    ),
}
