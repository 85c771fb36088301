"""A small convolutional network for digits, seeded and untrained, as a user's module and as a source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


def make() -> nn.Module:
    """Images (1, 8, 8) to ten numbers; always the same."""
    state = torch.random.get_rng_state()
    torch.manual_seed(3)
    made = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 8, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(72, 10),
    )
    torch.random.set_rng_state(state)
    return made.eval()


def perceptron() -> nn.Module:
    """Two linear layers; always the same."""
    state = torch.random.get_rng_state()
    torch.manual_seed(4)
    made = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 4))
    torch.random.set_rng_state(state)
    return made.eval()


def images(count: int = 16) -> np.ndarray:
    """Digits, (count, 1, 8, 8)."""
    from sklearn.datasets import load_digits

    return (load_digits().images[:count] / 16).astype(np.float32)[:, None]


@dataclass(frozen=True)
class Digits:
    """One of the networks with digits; labels are what it says itself."""

    name: str = "make"

    def network(self) -> nn.Module:
        return make() if self.name == "make" else perceptron()

    def images(self) -> np.ndarray:
        return images()

    def labelled(self) -> tuple[np.ndarray, np.ndarray] | None:
        given = images(30)
        with torch.no_grad():
            return given, self.network()(torch.from_numpy(given)).argmax(1).numpy()
