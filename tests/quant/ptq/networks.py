"""Small float networks, written as users write them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Residual block; one ReLU module is called twice, and the sum is made in place."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.down = None
        if stride > 1:
            self.down = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.down is None else self.down(x)
        return self.relu(y)


class Residual(nn.Module):
    """Functions and modules, a max pool before its ReLU, a dropout, two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(Block(8, 8), Block(8, 16, 2))
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(functional.max_pool2d(self.bn1(self.conv1(x)), 2))
        x = functional.adaptive_avg_pool2d(self.layer1(x), 1)
        return self.fc(self.drop(torch.flatten(x, 1)))


class Shuffled(nn.Module):
    """Halves that are split, joined and shuffled, as in ShuffleNetV2; average pool, no batch norms."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.branches = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1, groups=4) for _ in range(2))
        self.last = nn.Linear(8 * 4 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        for branch in self.branches:
            left, right = x.chunk(2, 1)
            x = torch.cat((left, torch.relu(branch(right))), dim=1)
            x = x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)
        return self.last(functional.avg_pool2d(x, 2).flatten(1))


class Inverted(nn.Module):
    """Bottlenecks without activation that are added, hard swish, and negative numbers that are joined."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6))
        self.wide = nn.Sequential(nn.Conv2d(6, 12, 1), nn.Hardswish())
        self.narrow = nn.Conv2d(12, 6, 1)
        self.side = nn.Sequential(nn.Conv2d(6, 6, 1), nn.Tanh())
        self.last = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.narrow(self.wide(x))
        x = torch.cat([self.side(x), x], 1)
        return self.last(x.mean((2, 3)))


def seeded(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network in eval mode with weights and statistics of a seed."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.normal_(module.bias, 0, 0.1, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network.eval()


def frames(count: int = 32, size: int = 8, seed: int = 0) -> Tensor:
    """Images in 0..1 of one channel."""
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(seed))
