"""One training loop for all: batches in random order, a schedule that moves with every batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Loss = Callable[[Tensor], Tensor]
"""Loss of the samples with given numbers."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    epochs, batch : int
    rate : float
        The largest of the schedule.
    decay : float
        Of weights.
    schedule : {"cosine", "one_cycle"}
        From `rate` to 0, or up to it in a tenth of the time and down again.
    clip : float or None
        Largest norm of the gradient.
    whole_batches : bool
        Leave out what does not fill a batch.
    """

    epochs: int
    batch: int
    rate: float
    decay: float = 0.0
    schedule: Literal["cosine", "one_cycle"] = "cosine"
    clip: float | None = None
    whole_batches: bool = False

    def batches(self, samples: int) -> int:
        """Batches of an epoch."""
        return samples // self.batch if self.whole_batches else -(-samples // self.batch)


class Trainer:
    """A network in training, epoch by epoch; the order of samples is drawn from torch's generator.

    Parameters
    ----------
    network : Module
    recipe : Recipe
    samples : int
        Of an epoch.
    optimiser : Optimizer, optional
        Of the network's parameters; Adam by default.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        samples: int,
        optimiser: torch.optim.Optimizer | None = None,
    ) -> None:
        self.network, self.recipe, self.samples = network, recipe, samples
        self.optimiser = optimiser or torch.optim.Adam(
            network.parameters(), recipe.rate, weight_decay=recipe.decay
        )
        steps = recipe.epochs * recipe.batches(samples)
        self.schedule: torch.optim.lr_scheduler.LRScheduler
        if recipe.schedule == "cosine":
            self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, steps)
        else:
            self.schedule = torch.optim.lr_scheduler.OneCycleLR(
                self.optimiser, recipe.rate, total_steps=steps, pct_start=0.1
            )

    def epoch(self, loss: Loss) -> float:
        """Train on every sample once; the mean loss of the batches."""
        self.network.train()
        used = self.recipe.batches(self.samples) * self.recipe.batch
        losses = []
        for rows in torch.randperm(self.samples)[:used].split(self.recipe.batch):
            self.optimiser.zero_grad()
            value = loss(rows)
            value.backward()
            if self.recipe.clip is not None:
                nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
            self.optimiser.step()
            self.schedule.step()
            losses.append(value.detach())
        self.network.eval()
        return float(torch.stack(losses).mean())


def train(network: nn.Module, x: np.ndarray, y: np.ndarray, recipe: Recipe, seed: int) -> None:
    """Train a classifier on images and labels by cross-entropy; it is ready for inference then."""
    torch.manual_seed(seed)
    images, labels = torch.from_numpy(x), torch.from_numpy(y).long()
    trainer = Trainer(network, recipe, len(images))
    for _ in range(recipe.epochs):
        trainer.epoch(lambda rows: functional.cross_entropy(network(images[rows]), labels[rows]))


def distillation(logits: Tensor, labels: Tensor, teacher: Tensor, share: float, temperature: float) -> Tensor:
    """Cross-entropy with labels and, for a `share`, a teacher's softened logits (Hinton et al., 2015)."""
    student = functional.log_softmax(logits / temperature, 1)
    soft = functional.kl_div(student, functional.softmax(teacher / temperature, 1), reduction="batchmean")
    return (1 - share) * functional.cross_entropy(logits, labels) + share * temperature**2 * soft


def batches(x: np.ndarray, size: int = 256) -> Sequence[Tensor]:
    """Consecutive batches of an array."""
    return torch.from_numpy(x).split(size)


def logits(network: nn.Module, x: np.ndarray, size: int = 256) -> np.ndarray:
    """Outputs of a network for all of its inputs, on the device where the network is."""
    device = next(network.parameters(), torch.empty(0)).device
    with torch.no_grad():
        return np.concatenate([network(batch.to(device)).cpu().numpy() for batch in batches(x, size)])


def accuracy(network: nn.Module, x: np.ndarray, labels: np.ndarray) -> float:
    """Share of inputs whose largest output is that of the label, 0..1."""
    return float((logits(network, x).argmax(1) == labels).mean())


@contextmanager
def one_thread() -> Iterator[None]:
    """A small network is trained fastest by one thread, above all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
