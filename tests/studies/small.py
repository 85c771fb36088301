"""A small residual network and images for searches: seeded, untrained, fast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

CLASSES = 5


class Block(nn.Module):
    """Two convolutions beside a shortcut; it writes over what it reads, as networks do."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.relu(self.norm1(self.conv1(x))))
        y += x
        return torch.relu_(y)


class Small(nn.Module):
    """Images (3, 8, 8) to five logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.blocks = nn.Sequential(Block(6), Block(6), Block(6))
        self.classifier = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(torch.relu(self.stem(x)))
        return self.classifier(x.mean((2, 3)))


def network() -> nn.Module:
    """Always the same."""
    generator = torch.random.get_rng_state()
    torch.manual_seed(1)
    made = Small().eval()
    torch.random.set_rng_state(generator)
    return made


def images(count: int = 12) -> np.ndarray:
    """Always the same."""
    return np.random.default_rng(2).standard_normal((count, 3, 8, 8)).astype(np.float32)


@dataclass(frozen=True)
class SmallSource:
    """The network with its images; the labels of others are what the float network says."""

    labels: bool = True

    def network(self) -> nn.Module:
        return network()

    def images(self) -> np.ndarray:
        return images()

    def labelled(self) -> tuple[np.ndarray, np.ndarray] | None:
        if not self.labels:
            return None
        given = images(40)
        with torch.no_grad():
            return given, network()(torch.from_numpy(given)).argmax(1).numpy()
