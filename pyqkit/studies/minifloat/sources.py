"""Networks of the study and their images.

Those of the data folder, one of digits that trains in seconds, and the user's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pyqkit import frames, untrusted
from pyqkit.digest import digest
from pyqkit.errors import UserError, brief
from pyqkit.quant.ptq import loading
from pyqkit.studies import datasets
from pyqkit.studies.networks.pretrained import MAX_BYTES, PRETRAINED

DIGITS = "digits"
_EPOCHS, _BATCH, _RATE = 12, 32, 4e-3  # of the digits


class Source(ABC):
    """Where a network and its images come from."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of all that is read."""

    @abstractmethod
    def network(self) -> nn.Module:
        """The float network, in eval mode."""

    @abstractmethod
    def calibration(self, count: int) -> Tensor:
        """The first training images, as the network reads them."""

    @abstractmethod
    def test(self, count: int) -> tuple[Tensor, np.ndarray]:
        """The first test images, as the network reads them, and their labels."""


def source(name: str, folder: Path | None, own: Own | None = None) -> Source:
    """Of a network, by its name; `own` is that of the user.

    Raises
    ------
    UserError
        If there is none of this name, or no folder for it.
    """
    if own is not None and name == own.name:
        return own
    if name == DIGITS:
        return Digits()
    if name not in PRETRAINED:
        raise UserError(
            f"a network out of {', '.join((DIGITS, *PRETRAINED))} was expected, but {brief(name)} came; "
            "choose one of them, or pass your own with --module"
        )
    if folder is None:
        raise UserError(
            f"a data folder was expected for {name}, but none came; pass --data with the folder that holds "
            f"{PRETRAINED[name].archive} and {datasets.TEST}"
        )
    return Cifar10(name, folder)


@dataclass(frozen=True)
class Cifar10(Source):
    """A pretrained network, and the images of the data folder."""

    name: str
    folder: Path

    @property
    def digest(self) -> str:
        files = (PRETRAINED[self.name].archive, datasets.TRAINING, datasets.TEST)
        return digest("".join(_file_digest(self.folder / file) for file in files).encode())

    def network(self) -> nn.Module:
        return PRETRAINED[self.name].load(self.folder)

    def calibration(self, count: int) -> Tensor:
        return _inputs(self, datasets.TRAINING, count)[0]

    def test(self, count: int) -> tuple[Tensor, np.ndarray]:
        return _inputs(self, datasets.TEST, count)


@lru_cache(maxsize=8)  # two of each network
def _inputs(source: Cifar10, file: str, count: int) -> tuple[Tensor, np.ndarray]:
    images = datasets.cifar10(source.folder, file, count)
    return torch.from_numpy(PRETRAINED[source.name].images(images.pixels)), images.labels


def _file_digest(path: Path) -> str:
    try:
        return digest(untrusted.content(path, MAX_BYTES))
    except (OSError, ValueError) as error:
        raise UserError(f"the file {path} was expected, but {error}; check the data folder") from None


@dataclass(frozen=True)
class Own(Source):
    """The user's network and frames, preprocessed as it was trained.

    Attributes
    ----------
    module : str
        ``FILE.py:factory``, as `pyqkit.quant.ptq.loading.network` has it.
    weights, calib, test_frames, labels : str
        Files: npz or safetensors, and npy.
    """

    module: str
    weights: str
    calib: str
    test_frames: str
    labels: str

    @property
    def name(self) -> str:
        """Of the network: that of its factory."""
        return self.module.rpartition(":")[2]

    @property
    def digest(self) -> str:
        code = self.module.rpartition(":")[0]
        files = (self.weights, self.calib, self.test_frames, self.labels, *([code] if _is_file(code) else []))
        return digest("".join((self.module, *(_file_digest(Path(file)) for file in files))).encode())

    def network(self) -> nn.Module:
        return loading.network(self.module, Path(self.weights))

    def calibration(self, count: int) -> Tensor:
        return torch.from_numpy(_taken(_frames(self.calib), count))

    def test(self, count: int) -> tuple[Tensor, np.ndarray]:
        x, labels = _frames(self.test_frames), frames.read(Path(self.labels))
        if labels.dtype.kind not in "iu" or labels.shape != x.shape[:1]:
            raise UserError(
                f"an integer label for each of {len(x)} frames was expected in {self.labels}, but "
                f"{labels.dtype} {labels.shape} came; give each frame its class"
            )
        return torch.from_numpy(_taken(x, count)), _taken(labels, count)


def _is_file(code: str) -> bool:
    return code.endswith(".py")


def _frames(file: str) -> np.ndarray:
    found = frames.read(Path(file))
    if found.dtype != np.float32:
        raise UserError(
            f"float32 frames were expected in {file}, but {found.dtype} came; preprocess them as in training"
        )
    return found


@dataclass(frozen=True)
class Digits(Source):
    """Three convolutions on scikit-learn's digits, trained when they are first asked for."""

    @property
    def digest(self) -> str:
        return digest(b"digits of scikit-learn, split by seed 0")

    def network(self) -> nn.Module:
        return _trained()

    def calibration(self, count: int) -> Tensor:
        return torch.from_numpy(_taken(datasets.digits(0)[0], count))

    def test(self, count: int) -> tuple[Tensor, np.ndarray]:
        _, _, x, y = datasets.digits(0)
        return torch.from_numpy(_taken(x, count)), _taken(y, count)


def _taken(array: np.ndarray, count: int) -> np.ndarray:
    if len(array) < count:
        raise UserError(
            f"{count} images were expected, but there are {len(array)}; take fewer with --images and "
            "--calibration"
        )
    return array[:count]


@lru_cache(maxsize=1)
def _trained() -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 24, 3, 2, 1), nn.BatchNorm2d(24), nn.ReLU()),
            *(nn.Conv2d(24, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
        )
    x, y = (torch.from_numpy(array) for array in datasets.digits(0)[:2])
    optimiser = torch.optim.Adam(network.parameters(), _RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _EPOCHS)
    for _ in range(_EPOCHS):
        for rows in torch.randperm(len(x), generator=generator).split(_BATCH):
            optimiser.zero_grad()
            functional.cross_entropy(network(x[rows]), y[rows].long()).backward()
            optimiser.step()
        schedule.step()
    return network.eval()
