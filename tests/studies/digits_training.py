"""A training of a perceptron on a few digits: float, then quantised."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from pyqkit.quant import calibrate
from pyqkit.studies.datasets import digits
from pyqkit.studies.networks.layers import Formats
from pyqkit.studies.networks.perceptron import perceptron
from pyqkit.studies.study import Task
from pyqkit.studies.trainer import Loss, Recipe, accuracy, batches
from pyqkit.studies.training import Training

IMAGES = 192


@dataclass(frozen=True)
class Parameters:
    """One arm."""

    rate: float
    epochs: tuple[int, int]  # float, quantised


@dataclass(frozen=True)
class DigitsTraining(Training[Parameters]):
    """Arms of different rates."""

    name: ClassVar[str] = "digits"
    rates: tuple[float, ...] = (3e-3,)
    epochs: tuple[int, int] = (2, 2)

    def tasks(self) -> Sequence[Task[Parameters]]:
        return [Task(f"rate{rate}", Parameters(rate, self.epochs), seed=0) for rate in self.rates]

    def recipes(self, task: Task[Parameters]) -> Sequence[Recipe]:
        float_epochs, quantised_epochs = task.parameters.epochs
        rate = task.parameters.rate
        return [
            Recipe(float_epochs, 64, rate),
            Recipe(quantised_epochs, 64, rate / 3, schedule="one_cycle", clip=5.0),
        ]

    def network(self, task: Task[Parameters], phase: int) -> nn.Module:
        return perceptron(Formats.of("e2m1"), quantised=phase == 1, widths=(64, 16, 10))

    def samples(self, task: Task[Parameters]) -> int:
        return IMAGES

    def enter(self, task: Task[Parameters], network: nn.Module, before: nn.Module) -> None:
        super().enter(task, network, before)
        calibrate(network, batches(digit_rows()[0][:IMAGES]))

    def loss(self, task: Task[Parameters], index: int, network: nn.Module) -> Loss:
        x, y = digit_rows()[:2]
        images, labels = torch.from_numpy(x), torch.from_numpy(y).long()
        return lambda rows: functional.cross_entropy(network(images[rows]), labels[rows])

    def measure(self, task: Task[Parameters], network: nn.Module) -> dict[str, float]:
        x, y = (part[:64] for part in digit_rows()[2:])
        return {"top1": accuracy(network, x, y)}


@functools.cache
def digit_rows() -> tuple:
    x, y, x_test, y_test = digits(0)
    return x.reshape(-1, 64), y, x_test.reshape(-1, 64), y_test
