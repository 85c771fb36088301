"""Where a search takes network and images from: the user's files, or pretrained networks for CIFAR-10."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from pyqkit import frames
from pyqkit.errors import UserError
from pyqkit.quant.ptq import loading
from pyqkit.quant.ptq.frames import checked
from pyqkit.studies import datasets
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
    tested, labels : str or None
        Further images and their labels in npy format.
    """

    where: str
    weights: str | None
    calibration: str
    count: int
    tested: str | None = None
    labels: str | None = None

    def network(self) -> nn.Module:
        """The float network."""
        return loading.network(self.where, None if self.weights is None else Path(self.weights))

    def images(self) -> np.ndarray:
        """Calibration images, float32."""
        return checked(frames.read(Path(self.calibration))[: self.count]).numpy()

    def labelled(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Images and labels, if there are any.

        Raises
        ------
        UserError
            If they do not belong together.
        """
        if self.tested is None or self.labels is None:
            return None
        images, labels = checked(frames.read(Path(self.tested))).numpy(), frames.read(Path(self.labels))
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise UserError(
                f"a whole number for each of {len(images)} images was expected in {self.labels}, but "
                f"{labels.dtype} of shape {labels.shape} came; write one label an image"
            )
        return images, labels.astype(np.int64)


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
        """The float network."""
        return pretrained(self.name).load(Path(self.folder))

    def images(self) -> np.ndarray:
        """Calibration images, float32."""
        found = datasets.cifar10(Path(self.folder), datasets.TRAINING, self.count)
        return pretrained(self.name).images(found.pixels)

    def labelled(self) -> tuple[np.ndarray, np.ndarray]:
        """Test images and labels."""
        found = datasets.cifar10(Path(self.folder), datasets.TEST, self.tested)
        return pretrained(self.name).images(found.pixels), found.labels.astype(np.int64)
