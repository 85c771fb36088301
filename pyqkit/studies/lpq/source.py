"""Where a search takes network and images from: the user's files, or pretrained networks for CIFAR-10."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from torch import nn

from pyqkit import npy, untrusted
from pyqkit.errors import UserError
from pyqkit.studies.lpq.problem import checked_images
from pyqkit.studies.networks.pretrained import pretrained

MAX_IMAGES = 2**32  # bytes


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


def images_of(path: Path) -> np.ndarray:
    """Calibration images of a file in npy format."""
    try:
        return checked_images(npy.from_bytes(untrusted.content(path, MAX_IMAGES)), str(path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(
            f"an array in npy format was expected in {path}, but it cannot be read ({reason}); write one "
            "with numpy.save"
        ) from None
