"""Networks for CIFAR-10 as modules, named as the tensors in the weight archives of pretrained ones.

Loading is a plain ``load_state_dict``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from pyqkit.studies.networks.layers import Float


class Residual(nn.Module):
    """conv-bn-ReLU-conv-bn, plus shortcut, ReLU.

    The sum is rounded once, by the quantiser of the last ReLU.
    """

    def __init__(
        self, layers: Float, inputs: int, outputs: int, stride: int, shortcut: nn.Module | None
    ) -> None:
        super().__init__()
        self.conv1 = layers.conv(inputs, outputs, 3, stride=stride, padding=1)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = layers.relu()
        self.conv2 = layers.conv(outputs, outputs, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = shortcut
        self.relu2 = layers.relu()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(y + (x if self.downsample is None else self.downsample(x)))


class ZeroPadded(nn.Module):
    """Shortcut without parameters: every second pixel, zero channels before and after."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.channels, self.channels))


def zero_padded(layers: Float, inputs: int, outputs: int) -> nn.Module:
    """Shortcut of ResNet-20 and ResNet-44."""
    return ZeroPadded((outputs - inputs) // 2)


def projected(layers: Float, inputs: int, outputs: int) -> nn.Module:
    """Shortcut of ResNet-20b."""
    return nn.Sequential(layers.conv(inputs, outputs, 1, stride=2), nn.BatchNorm2d(outputs))


class ResNet(nn.Module):
    """ResNet-20 and ResNet-44: three stages of `blocks` blocks."""

    def __init__(
        self, layers: Float, blocks: int, shortcut: Callable[[Float, int, int], nn.Module], classifier: str
    ) -> None:
        super().__init__()
        self.input = layers.input(signed=True)
        self.conv1 = layers.conv(3, 16, 3, edge=True, padding=1)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = layers.relu()
        inputs = 16
        for stage, outputs in enumerate((16, 32, 64), 1):
            units = []
            for block in range(blocks):
                shrinks = stage > 1 and block == 0
                units.append(
                    Residual(
                        layers,
                        inputs,
                        outputs,
                        1 + shrinks,
                        shortcut(layers, inputs, outputs) if shrinks else None,
                    )
                )
                inputs = outputs
            self.add_module(f"layer{stage}", nn.Sequential(*units))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.pooled = layers.pooled()
        self.classifier = classifier
        self.add_module(classifier, layers.linear(64, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(self.input(x))))
        for stage in (1, 2, 3):
            x = self.get_submodule(f"layer{stage}")(x)
        return getattr(self, self.classifier)(self.pooled(self.pool(x).flatten(1)))


class TensorflowBlock(nn.Module):
    """Residual block with TensorFlow's "same" padding.

    Nothing left and above, one pixel right and below, at stride 2.
    """

    def __init__(self, layers: Float, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = layers.conv(inputs, outputs, 3, stride=stride, padding=2 - stride, bias=True)
        self.bn1 = nn.BatchNorm2d(outputs, eps=1e-3)
        self.relu1 = layers.relu()
        self.conv2 = layers.conv(outputs, outputs, 3, padding=1, bias=True)
        self.bn2 = nn.BatchNorm2d(outputs, eps=1e-3)
        self.shortcut = layers.conv(inputs, outputs, 1, stride=stride, bias=True) if stride > 1 else None
        self.relu2 = layers.relu()

    def forward(self, x: Tensor) -> Tensor:
        padded = functional.pad(x, (0, 1, 0, 1)) if self.stride > 1 else x
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(padded)))))
        return self.relu2(y + (x if self.shortcut is None else self.shortcut(x)))


class Stem(nn.Module):
    """conv-bn-ReLU of ResNet-8."""

    def __init__(self, layers: Float) -> None:
        super().__init__()
        self.conv = layers.conv(3, 16, 3, edge=True, padding=1, bias=True)
        self.bn = nn.BatchNorm2d(16, eps=1e-3)
        self.relu = layers.relu()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)))


class ResNet8(nn.Module):
    """The image classifier of MLPerf Tiny; takes pixels 0..255."""

    def __init__(self, layers: Float) -> None:
        super().__init__()
        self.input = layers.input(signed=False)
        self.stem = Stem(layers)
        self.block1 = TensorflowBlock(layers, 16, 16, 1)
        self.block2 = TensorflowBlock(layers, 16, 32, 2)
        self.block3 = TensorflowBlock(layers, 32, 64, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.pooled = layers.pooled()
        self.fc = layers.linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block3(self.block2(self.block1(self.stem(self.input(x)))))
        return self.fc(self.pooled(self.pool(x).flatten(1)))


def _branch(*modules: tuple[str, nn.Module]) -> nn.Sequential:
    # Quantisers have names, not numbers: the numbers belong to the weight archive.
    return nn.Sequential(OrderedDict(modules))


class ShuffleUnit(nn.Module):
    """Unit of ShuffleNetV2.

    `join` is the ReLU and quantiser of both halves; all units of a stage share one, so that codes can be
    concatenated and the half that passes untouched is never rounded again.
    """

    def __init__(self, layers: Float, inputs: int, outputs: int, stride: int, join: nn.Module) -> None:
        super().__init__()
        half, self.stride, self.join = outputs // 2, stride, join
        first = inputs if stride > 1 else half
        self.branch1 = None
        if stride > 1:
            self.branch1 = _branch(
                ("0", layers.conv(inputs, inputs, 3, stride=stride, padding=1, groups=inputs)),
                ("1", nn.BatchNorm2d(inputs)),
                ("quantise", layers.identity()),
                ("2", layers.conv(inputs, half, 1)),
                ("3", nn.BatchNorm2d(half)),
            )
        self.branch2 = _branch(
            ("0", layers.conv(first, half, 1)),
            ("1", nn.BatchNorm2d(half)),
            ("relu", layers.relu()),
            ("3", layers.conv(half, half, 3, stride=stride, padding=1, groups=half)),
            ("4", nn.BatchNorm2d(half)),
            ("quantise", layers.identity()),
            ("5", layers.conv(half, half, 1)),
            ("6", nn.BatchNorm2d(half)),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.branch1 is None:
            half = x.shape[1] // 2
            left, right = x[:, :half], x[:, half:]
        else:
            left, right = self.join(self.branch1(x)), x
        y = torch.cat((left, self.join(self.branch2(right))), 1)
        return y.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)  # channel shuffle with two groups


class ShuffleNet(nn.Module):
    """ShuffleNetV2 x0.5 for 32x32 images."""

    def __init__(self, layers: Float) -> None:
        super().__init__()
        self.input = layers.input(signed=True)
        self.conv1 = _branch(
            ("0", layers.conv(3, 24, 3, edge=True, padding=1)),
            ("1", nn.BatchNorm2d(24)),
            ("relu", layers.relu()),
        )
        inputs = 24
        for stage, (outputs, units) in enumerate(((48, 4), (96, 8), (192, 4)), 2):
            join = layers.relu()
            first = ShuffleUnit(layers, inputs, outputs, 2, join)
            self.add_module(
                f"stage{stage}",
                nn.Sequential(
                    first, *(ShuffleUnit(layers, outputs, outputs, 1, join) for _ in range(units - 1))
                ),
            )
            inputs = outputs
        self.conv5 = _branch(
            ("0", layers.conv(192, 1024, 1)), ("1", nn.BatchNorm2d(1024)), ("relu", layers.relu())
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.pooled = layers.pooled()
        self.fc = layers.linear(1024, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.input(x))
        for stage in (2, 3, 4):
            x = self.get_submodule(f"stage{stage}")(x)
        return self.fc(self.pooled(self.pool(self.conv5(x)).flatten(1)))
