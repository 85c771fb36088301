"""The study: arms times seeds, each one training from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pyqkit.digest import digest
from pyqkit.errors import UserError, brief
from pyqkit.quant.palquant import PalResNet, deploy
from pyqkit.studies import datasets
from pyqkit.studies.palquant.arms import ARMS, Parameters, Setting, network_of
from pyqkit.studies.palquant.cost import native_products
from pyqkit.studies.palquant.optimiser import optimiser
from pyqkit.studies.study import State, Task, stream
from pyqkit.studies.torch_state import tensors_of
from pyqkit.studies.trainer import Loss, Recipe, logits
from pyqkit.studies.training import Training

DIGITS, CIFAR = "digits", "cifar10"
TRAINING_IMAGES, TEST_IMAGES = 20000, 5000  # of CIFAR-10; all that the archives hold for the full setting
DIGITS_EPOCHS, FULL_EPOCHS = 20, 200
EPOCHS = 7  # of all arms with three seeds in 90 minutes of two cores
_CALIBRATION = 256  # images on which a deployed network finds its ranges
_MEAN, _DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10's colours


@dataclass(frozen=True)
class PalQuantStudy(Training[Parameters]):
    """Every arm with every seed.

    Attributes
    ----------
    setting : Setting
    folder : str or None
        Of CIFAR-10's images; None for digits.
    arms : tuple of str
        Names out of `ARMS`.
    seeds : int
    full : bool
        Train on all images of the archive, on a GPU where there is one.
    """

    name: ClassVar[str] = "palquant"
    setting: Setting
    folder: str | None
    arms: tuple[str, ...]
    seeds: int
    full: bool = False

    def tasks(self) -> Sequence[Task[Parameters]]:
        chosen = [arm for arm in ARMS if arm.name in self.arms]
        return [
            Task(f"{arm.name}.{seed}", Parameters(arm, self.setting), seed)
            for seed in range(self.seeds)
            for arm in chosen
        ]

    def recipes(self, task: Task[Parameters]) -> Sequence[Recipe]:
        s = task.parameters.setting
        return [Recipe(s.epochs, s.batch, s.rate, s.decay, whole_batches=True)]

    def optimiser(self, network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
        return optimiser(network, recipe.rate, self.setting.grid_rate, recipe.decay)

    def network(self, task: Task[Parameters], phase: int) -> nn.Module:
        return network_of(task.parameters.arm, task.parameters.setting)

    def device(self) -> torch.device:
        return torch.device("cuda" if self.full and torch.cuda.is_available() else "cpu")

    def samples(self, task: Task[Parameters]) -> int:
        return len(training_images(self.folder, self.full)[1])

    def loss(self, task: Task[Parameters], index: int, network: nn.Module) -> Loss:
        pixels, labels = training_images(self.folder, self.full)
        if self.folder is not None:
            pixels = datasets.views(pixels, stream(task, index))
        classes, device = torch.from_numpy(labels.astype(np.int64)), self.device()

        def loss(rows: Tensor) -> Tensor:
            frames = _frames(pixels[rows]).to(device)
            return functional.cross_entropy(network(frames), classes[rows].to(device))

        return loss

    def measure(self, task: Task[Parameters], network: nn.Module) -> dict[str, float]:
        return {"top1": round(100 * float(self._hits(network).mean()), 4)}

    def result(self, task: Task[Parameters], state: State) -> State:
        """Accuracy, hits on the test images, products, and the same of the network as hardware has it."""
        kept, s = super().result(task, state), task.parameters.setting
        network = self.network(task, 0)
        tensors = {name: torch.from_numpy(array.copy()) for name, array in kept.arrays.items()}
        network.load_state_dict(tensors)
        arrays = {f"network/{name}": array for name, array in kept.arrays.items()}
        arrays["hits"] = self._hits(network.eval())
        values = {"top1": round(100 * float(arrays["hits"].mean()), 4)}
        if isinstance(network, PalResNet):
            frames = _frames(training_images(self.folder, self.full)[0][:_CALIBRATION])
            arrays["deployed_hits"] = self._hits(deploy(network, frames))
            values["deployed_top1"] = round(100 * float(arrays["deployed_hits"].mean()), 4)
            values["native_products"] = native_products(network, (s.colours, s.size, s.size))
        return State(values, arrays)

    def _hits(self, network: nn.Module) -> np.ndarray:
        pixels, labels = test_images(self.folder, self.setting.images)
        return logits(network, _frames(pixels).numpy()).argmax(1) == labels


def trained(outcome_arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The state of the network in what a task has found."""
    return tensors_of("network", outcome_arrays)


def setting_of(
    folder: Path | None, full: bool, epochs: int | None, width: int | None, images: int | None
) -> Setting:
    """The setting for digits, for CIFAR-10's reduced or its full one.

    Raises
    ------
    UserError
        If images are missing, or there are none for ``full``.
    """
    if folder is None:
        if full:
            raise UserError(
                "a data folder was expected with --full, but none came; pass --data with the folder of "
                f"{datasets.TRAINING} and {datasets.TEST}"
            )
        count = len(test_images(None, images)[1])
        own = (width or 8, 1, epochs or DIGITS_EPOCHS)
        return Setting(_named(None, count), 1, 8, *own, 64, 0.05, 1e-3, 1e-4, count)
    if full:
        count = images or len(datasets.cifar10(folder, datasets.TEST, None).labels)
        own = (width or 16, 3, epochs or FULL_EPOCHS)
    else:
        count = images or TEST_IMAGES
        own = (width or 8, 1, epochs or EPOCHS)
    return Setting(_named(folder, count, full), 3, 32, *own, 128, 0.1, 1e-3, 1e-4, count)


def check_arms(names: Sequence[str]) -> tuple[str, ...]:
    """Names of arms, all of them if none are named.

    Raises
    ------
    UserError
        For one that there is not.
    """
    known = tuple(arm.name for arm in ARMS)
    for name in names:
        if name not in known:
            raise UserError(
                f"an arm out of {', '.join(known)} was expected, but {brief(name)} came; choose one of them"
            )
    return tuple(dict.fromkeys(names)) or known


def _named(folder: Path | None, count: int, full: bool = False) -> str:
    text = None if folder is None else str(folder)
    arrays = (*training_images(text, full), *test_images(text, count))
    return f"{DIGITS if folder is None else CIFAR} {digest(b''.join(a.tobytes() for a in arrays))}"


@lru_cache(maxsize=2)
def training_images(folder: str | None, full: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 (frames, height, width, colours), and labels; the reduced setting's or all."""
    if folder is None:
        x, y, _, _ = datasets.digits(0)
        return _pixels(x), y
    found = datasets.cifar10(Path(folder), datasets.TRAINING, None if full else TRAINING_IMAGES)
    return found.pixels, found.labels


@lru_cache(maxsize=2)
def test_images(folder: str | None, count: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The first images of the test, all of the digits' if no count is given."""
    if folder is not None:
        found = datasets.cifar10(Path(folder), datasets.TEST, count or TEST_IMAGES)
        return found.pixels, found.labels
    _, _, x, y = datasets.digits(0)
    if count is not None and count > len(y):
        raise UserError(f"at most {len(y)} test images of digits were expected, but {count} came; take fewer")
    return _pixels(x)[:count], y[:count]


def _pixels(x: np.ndarray) -> np.ndarray:
    """Digits of 0..1 as pixels."""
    return np.moveaxis(np.rint(x * 16).astype(np.uint8), 1, -1)


def _frames(pixels: np.ndarray) -> Tensor:
    """What a network reads: (frames, colours, height, width), digits in 0..1, colours less their mean."""
    frames = torch.from_numpy(pixels).movedim(-1, 1).float()
    if frames.shape[1] == 1:
        return frames / 16
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (_MEAN, _DEVIATION))
    return (frames / 255 - mean) / deviation
