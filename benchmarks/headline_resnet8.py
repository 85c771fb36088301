"""Training of the ResNet-8 of `headline.py`, as a study: fine-tuned from its float weights.

Weights are int4 with a power-of-two scale for each output channel, activations behind a ReLU uint4, image,
first and last layer 8 bits. Scales are searched once by squared error and stay; the weights are trained
through straight-through estimators written for speed, then put back into the Brevitas network that is
exported. Targets are the labels and the logits of ResNet-20b, a float network of the same data, on the same
augmented views.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import zoo
from headline_networks import FORMATS, accuracy, archive, content, resnet8_network
from torch import Tensor, nn

from pyqkit.quant import calibrate
from pyqkit.studies.datasets import views
from pyqkit.studies.networks.cifar10 import ResNet8
from pyqkit.studies.networks.layers import Quantised
from pyqkit.studies.networks.pretrained import PRETRAINED
from pyqkit.studies.networks.straight_through import Activation, QuantisedConv, StraightThrough, put_back
from pyqkit.studies.study import State, Task
from pyqkit.studies.trainer import Loss, Recipe, distillation
from pyqkit.studies.training import Training

CALIBRATION = 512
IMAGES, TEACHER = "cifar10_train_20k.npz", "resnet20b"


@dataclass(frozen=True)
class Settings:
    """What a user chooses.

    Attributes
    ----------
    views : int
        Augmented copies of the training images; an epoch takes the next.
    distilled : float
        Weight of the teacher beside the labels.
    """

    held_out: int = 1000
    epochs: int = 8
    views: int = 4
    batch: int = 64
    rate: float = 3e-4
    distilled: float = 0.7
    temperature: float = 4.0


@dataclass(frozen=True)
class Parameters:
    """What decides the weights; hashes of images and of the weights of both networks beside the settings."""

    settings: Settings
    images: str
    weights: str
    teacher: str


@dataclass(frozen=True)
class ResNet8Training(Training[Parameters]):
    """One training; the last `held_out` training images only measure."""

    name: ClassVar[str] = "resnet8"
    data: Path
    start: int = 0
    settings: Settings = Settings()

    def tasks(self) -> Sequence[Task[Parameters]]:
        files = (IMAGES, PRETRAINED["resnet8"].archive, PRETRAINED[TEACHER].archive)
        hashes = (content(self.data / file) for file in files)
        return [Task("resnet8", Parameters(self.settings, *hashes), self.start)]

    def recipes(self, task: Task[Parameters]) -> Sequence[Recipe]:
        given = task.parameters.settings
        return [
            Recipe(given.epochs, given.batch, given.rate, schedule="one_cycle", clip=5.0, whole_batches=True)
        ]

    def network(self, task: Task[Parameters], phase: int) -> nn.Module:
        return fast_network(with_scales(self.data)).to(memory_format=torch.channels_last)

    def samples(self, task: Task[Parameters]) -> int:
        return len(archive(self.data / IMAGES)["x"]) - task.parameters.settings.held_out

    def loss(self, task: Task[Parameters], index: int, network: nn.Module) -> Loss:
        given = task.parameters.settings
        labels = torch.from_numpy(archive(self.data / IMAGES)["y"]).long()
        seen, known = taught(self.data, self.samples(task), task.seed, index % given.views)
        teacher = torch.from_numpy(known)

        def of(rows: Tensor) -> Tensor:
            x = torch.from_numpy(zoo.images("resnet8", seen[rows]))
            return distillation(network(x), labels[rows], teacher[rows], given.distilled, given.temperature)

        return of

    def measure(self, task: Task[Parameters], network: nn.Module) -> dict[str, float]:
        x, y = (archive(self.data / IMAGES)[name][self.samples(task) :] for name in ("x", "y"))
        return {"held_out_top1": accuracy(network, zoo.images("resnet8", x), y)}

    def result(self, task: Task[Parameters], state: State) -> State:
        """The network that is exported, with the trained weights."""
        trained = super().result(task, state)
        fast = self.network(task, 0)
        fast.load_state_dict({name: torch.from_numpy(array) for name, array in trained.arrays.items()})
        network = put_back(searched(self.data), fast)
        calibrate_pool(network, calibration_images(self.data))
        tensors = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        return State(self.measure(task, network), tensors)


def calibration_images(data: Path) -> np.ndarray:
    """The first training images, as the network takes them."""
    return zoo.images("resnet8", archive(data / IMAGES)["x"][:CALIBRATION])


def searched(data: Path) -> nn.Module:
    """The exported network with scales searched by squared error on calibration images."""
    network, training = resnet8_network(data), calibration_images(data)
    calibrate(network, zoo.batches(training, 64))
    zoo.logits(network, training[:1])  # weight scales come into being in the first forward pass
    return network.eval()


@functools.cache
def with_scales(data: Path) -> nn.Module:
    """The same, searched once in a process; only read, never changed."""
    return searched(data)


def fast_network(network: nn.Module) -> nn.Module:
    """The same network for training, with the scales of `network`."""
    fast, formats = ResNet8(StraightThrough()), FORMATS["resnet8"]
    for name, module in list(fast.named_modules()):  # merged batch norms are gone on the other side too
        if isinstance(module, nn.BatchNorm2d):
            setattr(fast.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], nn.Identity())
    fast.load_state_dict({k: v for k, v in network.state_dict().items() if "_quant" not in k}, strict=True)
    for name, module in fast.named_modules():
        if isinstance(module, Activation):
            module.quantise(formats.unsigned, float(network.get_submodule(name).act_quant.scale()))
        elif isinstance(module, QuantisedConv):
            edge = name.startswith("stem")
            scale = network.get_submodule(name).weight_quant.scale().detach().reshape(-1, 1, 1, 1)
            module.quantise(formats.edge_weight if edge else formats.weight, scale)
    return fast


@functools.cache
def taught(data: Path, samples: int, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Augmented copy `number` of the training images, and the teacher's logits for it."""
    pixels, random = archive(data / IMAGES)["x"][:samples], np.random.default_rng(seed)
    for _ in range(number + 1):
        seen = views(pixels, random)
    teacher = zoo.load(TEACHER, data).to(memory_format=torch.channels_last)
    parts = [zoo.logits(teacher, zoo.images(TEACHER, part)) for part in np.array_split(seen, 20)]
    return seen, np.concatenate(parts)


def calibrate_pool(network: nn.Module, training: np.ndarray) -> None:
    """Scale of the pooled features, which the training does not round, from the trained network."""
    fresh = Quantised(FORMATS["resnet8"]).pooled()
    network.pooled = nn.Identity()
    features: list[Tensor] = []
    hook = network.fc.register_forward_pre_hook(lambda module, inputs: features.append(inputs[0]))
    zoo.logits(network, training)
    hook.remove()
    calibrate(fresh, features)
    network.pooled = fresh.eval()
