"""ResNets of parallel groups; modules are named as in torchvision's and in the authors' code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from pyqkit.quant.palquant.layers import CyclicShuffle, GridConv2d, channel_shuffle


@dataclass(frozen=True)
class Kernel:
    """A convolution of a block, as wide as in one group.

    Attributes
    ----------
    inputs, outputs, size, stride, padding, dilation : int
    """

    inputs: int
    outputs: int
    size: int
    stride: int
    padding: int
    dilation: int


@dataclass(frozen=True)
class Shape:
    """A residual block: its convolutions, two or three, and that of its shortcut if it has one."""

    kernels: tuple[Kernel, ...]
    shortcut: Kernel | None


@dataclass(frozen=True)
class Groups:
    """How layers are made.

    Attributes
    ----------
    count : int
    conv : type
        `PalConv2d` or `LsqConv2d`.
    weight_bits, act_bits : int
    """

    count: int
    conv: type[GridConv2d]
    weight_bits: int
    act_bits: int

    def layer(self, kernel: Kernel) -> GridConv2d:
        """A convolution that is `kernel` in each group."""
        return self.conv(
            kernel.inputs * self.count,
            kernel.outputs * self.count,
            kernel.size,
            stride=kernel.stride,
            padding=kernel.padding,
            dilation=kernel.dilation,
            groups=self.count,
            weight_bits=self.weight_bits,
            act_bits=self.act_bits,
        )

    def shuffle(self, channels: int) -> CyclicShuffle:
        """The exchange of all groups, each of `channels`."""
        return CyclicShuffle(
            channels * self.count,
            self.count,
            self.conv,
            weight_bits=self.weight_bits,
            act_bits=self.act_bits,
        )


class Block(nn.Module):
    """BasicBlock or Bottleneck: convolutions with batch norms, a shortcut, a ReLU behind the sum.

    Where the shortcut is a convolution, the channels of the branch are shuffled before the sum.

    Attributes
    ----------
    branch, shortcut, sum : nn.Module
        Both operands and the sum, as the residual stream holds them; see `pyqkit.quant.palquant.deploy`.
    """

    def __init__(self, shape: Shape, groups: Groups) -> None:
        super().__init__()
        self.groups, self.convolutions = groups.count, len(shape.kernels)
        for index, kernel in enumerate(shape.kernels, 1):
            self.add_module(f"conv{index}", groups.layer(kernel))
            self.add_module(f"bn{index}", nn.BatchNorm2d(kernel.outputs * groups.count))
        self.relu = nn.ReLU()
        self.branch, self.sum = nn.Identity(), nn.Identity()
        self.downsample: nn.Sequential | None = None
        if shape.shortcut is not None:
            norm = nn.BatchNorm2d(shape.shortcut.outputs * groups.count)
            self.downsample = nn.Sequential(groups.layer(shape.shortcut), norm)
            self.shortcut = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for index in range(1, self.convolutions + 1):
            y = self.get_submodule(f"bn{index}")(self.get_submodule(f"conv{index}")(y))
            y = self.relu(y) if index < self.convolutions else self.branch(y)
        if self.downsample is not None:
            y, x = channel_shuffle(y, self.groups), self.shortcut(self.downsample(x))
        return self.sum(self.relu(y + x))


class PalResNet(nn.Module):
    """A ResNet whose stages are parallel groups; `pyqkit.quant.palquant.palquant` makes it.

    Parameters
    ----------
    stem : nn.Conv2d
        From the image to all groups.
    maxpool : nn.MaxPool2d or None
    stages : sequence of sequence of Shape
    classes : int
    groups : Groups
    shuffle : bool
        Whether a `CyclicShuffle` stands before every stage but the first.

    Attributes
    ----------
    input, stream, pooled : nn.Module
        Image, output of the stem and features before the classifier, as a deployed network holds them.
    """

    def __init__(
        self,
        stem: nn.Conv2d,
        maxpool: nn.MaxPool2d | None,
        stages: Sequence[Sequence[Shape]],
        classes: int,
        groups: Groups,
        shuffle: bool,
    ) -> None:
        super().__init__()
        self.groups, self.stages = groups.count, len(stages)
        self.input = nn.Identity()
        self.conv1, self.bn1, self.relu = stem, nn.BatchNorm2d(stem.out_channels), nn.ReLU()
        self.maxpool = nn.Identity() if maxpool is None else maxpool
        self.stream = nn.Identity()
        for index, shapes in enumerate(stages, 1):
            if shuffle and index > 1:
                self.add_module(f"shuffle{index}", groups.shuffle(shapes[0].kernels[0].inputs))
            self.add_module(f"layer{index}", nn.Sequential(*(Block(shape, groups) for shape in shapes)))
        self.avgpool, self.pooled = nn.AdaptiveAvgPool2d(1), nn.Identity()
        self.fc = nn.Linear(stages[-1][-1].kernels[-1].outputs * groups.count, classes)
        self.shuffles = shuffle
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.stream(self.maxpool(self.relu(self.bn1(self.conv1(self.input(x))))))
        for index in range(1, self.stages + 1):
            if self.shuffles and index > 1:
                x = self.get_submodule(f"shuffle{index}")(x)
            x = self.get_submodule(f"layer{index}")(x)
        return self.fc(self.pooled(self.avgpool(x).flatten(1)))
