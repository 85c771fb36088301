"""The networks of `headline.py`: their formats, their files of weights, and what they take."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
import zoo
from torch import nn

from pyqkit.digest import digest
from pyqkit.studies.networks.layers import Formats, Quantised
from pyqkit.studies.networks.perceptron import WIDTHS, perceptron

FORMATS = Formats("e2m1", "e2m1", "ue2m2", "int8", "int8", "uint8")
RESULTS = Path(__file__).parent / "results" / "headline"
FILES = {name: RESULTS / f"{name}_weights.npz" for name in ("resnet8", "mlp")}


def resnet8_network(data: Path) -> nn.Module:
    """ResNet-8 with float weights, not yet calibrated."""
    search = {"scale_search": "mse"}
    network = zoo.load("resnet8", data, Quantised(FORMATS, search, search))
    network.pooled = Quantised(FORMATS).pooled()  # eight bits need no search: the largest value
    return network


def mlp_network(quantised: bool = True) -> nn.Module:
    """The perceptron."""
    return perceptron(FORMATS, quantised)


def load(network: nn.Module, path: Path) -> nn.Module:
    """A network with saved tensors, ready for inference."""
    network.load_state_dict({key: torch.from_numpy(array) for key, array in archive(path).items()})
    return network.eval()


def fashion(pixels: np.ndarray) -> np.ndarray:
    """Input of the perceptron, float32 rows of 784 in 0..1, of uint8 pixels."""
    return (pixels.astype(np.float32) / 256).reshape(-1, WIDTHS[0])


def accuracy(network: nn.Module, x: np.ndarray, labels: np.ndarray) -> float:
    """Per cent."""
    return round(100 * float((zoo.logits(network, x).argmax(1) == labels).mean()), 2)


@functools.cache
def archive(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a file."""
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


@functools.cache
def content(path: Path) -> str:
    """SHA-256 of a file: what was trained on."""
    return digest(path.read_bytes())
