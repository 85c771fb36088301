"""Pretrained networks for CIFAR-10 as plain float modules: what they are, and readers of their archives.

An archive is an npz file of float32 arrays under the names of the module's tensors. The folder that holds
the archives and the images (``cifar10_test_a.npz``, ``cifar10_train_20k.npz``) is the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pyqkit import npy, untrusted
from pyqkit.errors import UserError, brief, listed
from pyqkit.studies.networks.cifar10 import ResNet, ResNet8, ShuffleNet, projected, zero_padded
from pyqkit.studies.networks.layers import Float
from pyqkit.studies.networks.vit import VisionTransformer

MAX_BYTES = 2**30  # of an archive of weights
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


@dataclass(frozen=True)
class Pretrained:
    """A network whose weights somebody has trained.

    Attributes
    ----------
    archive : str
        File in the data folder.
    build : callable
        Layers to a module; what has no quantisers of its own ignores them.
    normalisation : tuple or None
        Mean and standard deviation of each colour of x / 255; None leaves pixels 0..255.
    top1 : float
        Of these weights in float, per cent of the 5,000 images of ``cifar10_test_a.npz``.
    """

    archive: str
    build: Callable[[Float], nn.Module]
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None
    top1: float

    def images(self, pixels: np.ndarray) -> np.ndarray:
        """Input of the network, float32 NCHW, of uint8 NHWC pixels."""
        x = pixels.astype(np.float64)
        if self.normalisation is not None:
            x = (x / 255 - self.normalisation[0]) / self.normalisation[1]
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)

    def load(self, folder: Path, layers: Float | None = None) -> nn.Module:
        """The network with its weights, ready for inference.

        Parameters
        ----------
        folder : Path
            Where the archive is.
        layers : Float, optional
            Of the network; those of PyTorch by default.

        Raises
        ------
        UserError
            If the archive cannot be read or holds other tensors.
        """
        network = self.build(layers or Float())
        put_weights(network, weights(folder / self.archive))
        return network.eval()


PRETRAINED: Mapping[str, Pretrained] = {
    "resnet8": Pretrained("resnet8_mlperftiny_cifar10.npz", ResNet8, None, 86.98),
    "resnet20": Pretrained(
        "resnet20_cifar10.npz", lambda q: ResNet(q, 3, zero_padded, "linear"), IMAGENET, 91.48
    ),
    "resnet44": Pretrained(
        "resnet44_cifar10.npz", lambda q: ResNet(q, 7, zero_padded, "linear"), IMAGENET, 92.92
    ),
    "resnet20b": Pretrained("resnet20b_cifar10.npz", lambda q: ResNet(q, 3, projected, "fc"), CIFAR, 92.56),
    "shufflenet": Pretrained("shufflenetv2_x0_5_cifar10.npz", ShuffleNet, CIFAR, 90.36),
    "vit": Pretrained("vit_cifar10.npz", lambda q: VisionTransformer(), CIFAR, 73.54),
}


def pretrained(name: str) -> Pretrained:
    """A network by its name; a UserError says which there are."""
    if name not in PRETRAINED:
        raise UserError(
            f"a pretrained network out of {', '.join(PRETRAINED)} was expected, but {brief(name)} came; "
            "choose one of them"
        )
    return PRETRAINED[name]


def weights(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of an archive by the names that modules give them; raises UserError for anything else."""
    try:
        arrays = npy.archive(untrusted.content(path, MAX_BYTES))
    except (OSError, ValueError) as error:
        raise UserError(
            f"an npz archive of weights was expected in {path}, but {error}; check the data folder"
        ) from None
    return {_of_module(name): torch.from_numpy(array) for name, array in arrays.items()}


def put_weights(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Weights into a network, all of them and no others.

    What quantisers keep and batch norms count has no tensor in an archive.
    """
    own = network.state_dict()
    wanted = {k for k in own if not k.endswith("num_batches_tracked") and "_quant" not in k}
    wrong = sorted(wanted ^ tensors.keys())
    wrong += [name for name in sorted(wanted & tensors.keys()) if own[name].shape != tensors[name].shape]
    if wrong:
        raise UserError(
            f"weights of the {len(wanted)} tensors of a network were expected, but {listed(wrong, 3)} do not "
            "match; take the archive that belongs to the network"
        )
    network.load_state_dict(dict(tensors), strict=False)


def _of_module(name: str) -> str:
    """``in_proj_weight``, as PyTorch's attention has it, is the weight of a layer here."""
    return name.replace("in_proj_", "in_proj.")
