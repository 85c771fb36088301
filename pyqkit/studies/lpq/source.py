"""Where a search takes network and images from: the user's files, or pretrained networks for CIFAR-10."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from torch import nn

from pyqkit import frames
from pyqkit.errors import UserError
from pyqkit.quant.ptq import loading
from pyqkit.quant.ptq.frames import checked
from pyqkit.studies.networks.pretrained import pretrained


@dataclass(frozen=True)
class FileSource:
    """A user's network and images.

    Attributes
    ----------
    where : str
        ``MODULE.py:factory``, as `pyqkit.quant.ptq.loading.network` takes it.
    weights : str or None
        npz or safetensors file.
    calibration : str
        Images in npy format, preprocessed.
    count : int
        How many of them, from the first on.
    """

    where: str
    weights: str | None
    calibration: str
    count: int

    def network(self) -> nn.Module:
        return loading.network(self.where, None if self.weights is None else Path(self.weights))

    def images(self) -> np.ndarray:
        return checked(frames.read(Path(self.calibration))[: self.count]).numpy()

    def labelled(self) -> tuple[np.ndarray, np.ndarray] | None:
        return None


@dataclass(frozen=True)
class Cifar10Source:
    """A pretrained network, the first images of the training set, and images of the test set with labels.

    Attributes
    ----------
    name : str
        Of `pyqkit.studies.networks.pretrained.PRETRAINED`.
    folder : str
        Where weights and images are.
    count, tested : int
        Images for calibration, and for the accuracy.
    """

    name: str
    folder: str
    count: int = 128
    tested: int = 5000

    def network(self) -> nn.Module:
        return pretrained(self.name).load(Path(self.folder))

    def images(self) -> np.ndarray:
        pixels, _ = _cifar10(f"{self.folder}/cifar10_train_20k.npz")
        return pretrained(self.name).images(pixels[: self.count])

    def labelled(self) -> tuple[np.ndarray, np.ndarray] | None:
        pixels, labels = _cifar10(f"{self.folder}/cifar10_test_a.npz")
        return pretrained(self.name).images(pixels[: self.tested]), labels[: self.tested]


@lru_cache(maxsize=2)
def _cifar10(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and labels of an archive."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["x"], arrays["y"].astype(np.int64)
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise UserError(
            f"images and labels of CIFAR-10 were expected in {path}, but they cannot be read ({error}); "
            "name the folder that has them"
        ) from None
