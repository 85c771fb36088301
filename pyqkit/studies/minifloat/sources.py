"""Networks of the study and their images: those of the data folder, and one of digits, trained in seconds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pyqkit import untrusted
from pyqkit.digest import digest
from pyqkit.errors import UserError, brief
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


def source(name: str, folder: Path | None) -> Source:
    """Of a network, by its name.

    Raises
    ------
    UserError
        If there is none of this name, or no folder for it.
    """
    if name == DIGITS:
        return Digits()
    if name not in PRETRAINED:
        raise UserError(
            f"a network out of {', '.join((DIGITS, *PRETRAINED))} was expected, but {brief(name)} came; "
            "choose one of them"
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


@lru_cache(maxsize=4)  # rows of one network follow one another
def _inputs(source: Cifar10, file: str, count: int) -> tuple[Tensor, np.ndarray]:
    images = datasets.cifar10(source.folder, file, count)
    return torch.from_numpy(PRETRAINED[source.name].images(images.pixels)), images.labels


@lru_cache(maxsize=64)
def _file_digest(path: Path) -> str:
    try:
        return digest(untrusted.content(path, MAX_BYTES))
    except (OSError, ValueError) as error:
        raise UserError(f"the file {path} was expected, but {error}; check the data folder") from None


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
            f"{count} images of digits were expected, but there are {len(array)}; take fewer with --images "
            "and --calibration"
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
