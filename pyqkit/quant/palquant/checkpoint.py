"""Weights of trained networks, the authors' included; no file is executed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pyqkit.errors import UserError
from pyqkit.quant.palquant.resnet import PalResNet
from pyqkit.quant.ptq import loading

_PARALLEL = "module."  # before every name, by DistributedDataParallel
_SCALING = ("bkwd_scaling_factorW", "bkwd_scaling_factorA")  # of gradients, in the authors' layers


def load_checkpoint(network: PalResNet, path: Path | str) -> None:
    """Put a checkpoint into a network that is made as the one that was trained.

    Parameters
    ----------
    network : PalResNet
    path : path
        An npz or a safetensors file with the names of the authors' ``state_dict``, which are those of
        `PalResNet`; their own files are pickles and have to be written anew where they are trusted. Bits
        are in neither names nor shapes: they are those of the network.

    Raises
    ------
    UserError
        If names or shapes differ, or the checkpoint has another number of groups.
    """
    weights = {name.removeprefix(_PARALLEL): array for name, array in loading.read(Path(path)).items()}
    scaled = [name for name, array in weights.items() if name.endswith(_SCALING) and np.any(array)]
    if scaled:
        raise UserError(
            f"a network trained with plain straight-through gradients was expected, but {scaled[0]} in "
            f"{path} is not zero; take one trained without element-wise gradient scaling"
        )
    weights = {name: array for name, array in weights.items() if not name.endswith(_SCALING)}
    _check_groups(network, weights, Path(path))
    loading.load(network, weights)


def _check_groups(network: PalResNet, weights: Mapping[str, np.ndarray], path: Path) -> None:
    """Groups of a checkpoint: what a stage's first layer reads, over what one of its groups does."""
    name = "layer1.0.conv1.weight"
    stem, first = weights.get("conv1.weight"), weights.get(name)
    if stem is None or first is None or first.ndim != 4 or stem.ndim != 4 or not first.shape[1]:
        return
    groups = len(stem) // first.shape[1]
    if groups != network.groups:
        raise UserError(
            f"a checkpoint of {network.groups} groups was expected, but {path} has {groups}; make the "
            f"network with groups={groups}"
        )
