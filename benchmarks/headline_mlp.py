"""Training of the perceptron of `headline.py`, as a study.

Fashion-MNIST, pixels of 4 bits; in float first, then with Brevitas' quantisers. Mirrored images are clothes
too.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from headline_networks import accuracy, archive, content, fashion, mlp_network
from torch import Tensor, nn
from torch.nn import functional

from pyqkit.quant import calibrate
from pyqkit.studies.study import Task
from pyqkit.studies.trainer import Loss, Recipe
from pyqkit.studies.training import Training

CALIBRATION = 2000


@dataclass(frozen=True)
class Parameters:
    """What decides the weights; `images` is the hash of the training images."""

    images: str
    held_out: int
    epochs: tuple[int, int]  # float, quantised
    rates: tuple[float, float] = (2e-3, 5e-4)
    batch: int = 128
    decay: float = 1e-5


@dataclass(frozen=True)
class MlpTraining(Training[Parameters]):
    """One training; the last `held_out` training images only measure."""

    name: ClassVar[str] = "mlp"
    data: Path
    start: int = 0
    held_out: int = 1000
    epochs: tuple[int, int] = (12, 8)

    @property
    def file(self) -> Path:
        """Images."""
        return self.data / "fashion_mnist.npz"

    def tasks(self) -> Sequence[Task[Parameters]]:
        return [Task("mlp", Parameters(content(self.file), self.held_out, self.epochs), self.start)]

    def recipes(self, task: Task[Parameters]) -> Sequence[Recipe]:
        given = task.parameters
        return [
            Recipe(epochs, given.batch, rate, given.decay, schedule="one_cycle")
            for epochs, rate in zip(given.epochs, given.rates)
        ]

    def network(self, task: Task[Parameters], phase: int) -> nn.Module:
        return mlp_network(quantised=phase == 1)

    def seed(self, task: Task[Parameters], phase: int) -> int | None:
        return None  # as the committed weights were trained: one seed, before the networks are made

    def samples(self, task: Task[Parameters]) -> int:
        return len(_images(self.file)[0]) - task.parameters.held_out

    def enter(self, task: Task[Parameters], network: nn.Module, before: nn.Module) -> None:
        super().enter(task, network, before)
        calibrate(network, _images(self.file)[0][:CALIBRATION].split(250))

    def loss(self, task: Task[Parameters], index: int, network: nn.Module) -> Loss:
        x, y = _images(self.file)

        def of(rows: Tensor) -> Tensor:
            batch = x[rows]
            if torch.rand(()) < 0.5:
                batch = batch.unflatten(1, (28, 28)).flip(-1).flatten(1)
            return functional.cross_entropy(network(batch), y[rows], label_smoothing=0.05)

        return of

    def measure(self, task: Task[Parameters], network: nn.Module) -> dict[str, float]:
        x, y = (part[self.samples(task) :].numpy() for part in _images(self.file))
        return {"held_out_top1": accuracy(network, x, y)}


@functools.cache
def _images(path: Path) -> tuple[Tensor, Tensor]:
    """All training images and labels."""
    found = archive(path)
    return torch.from_numpy(fashion(found["x_train"])), torch.from_numpy(found["y_train"]).long()
