"""Five CIFAR-10 networks with pretrained weights, built in float or with quantisers: one definition for both.

A network asks a policy for its layers: `Float` gives those of PyTorch, `Quantised` those of Brevitas. Modules carry the
names of the tensors in the weight archives, so that loading is a plain ``load_state_dict``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


class Float:
    """Layers of the network as it was trained."""

    def input(self, signed: bool) -> nn.Module:
        """What an image passes first; `signed` says whether it can be negative."""
        return nn.Identity()

    def relu(self) -> nn.Module:
        """ReLU, and in a quantised network the quantiser after it."""
        return nn.ReLU()

    def identity(self) -> nn.Module:
        """Quantiser of values of both signs."""
        return nn.Identity()

    def pooled(self) -> nn.Module:
        """Quantiser between the global average pool and the classifier."""
        return nn.Identity()

    def conv(self, inputs: int, outputs: int, kernel: int, edge: bool = False, **options: object) -> nn.Module:
        """Convolution without bias unless `options` say so; `edge` marks the first layer of the network."""
        return nn.Conv2d(inputs, outputs, kernel, **{"bias": False, **options})

    def linear(self, inputs: int, outputs: int) -> nn.Module:
        """Classifier with bias, the last layer of the network."""
        return nn.Linear(inputs, outputs)


@dataclass(frozen=True)
class Formats:
    """Which format goes where.

    Attributes
    ----------
    weight, signed, unsigned : str
        Weights; activations of both signs; activations that are never negative.
    edge_weight, edge_signed, edge_unsigned : str
        The same for the first and the last layer, 8 bits wide.
    """

    weight: str
    signed: str
    unsigned: str
    edge_weight: str
    edge_signed: str
    edge_unsigned: str

    @classmethod
    def of(cls, name: str) -> Formats:
        """Formats of a network in format `name`.

        First and last layer: int8 for integers, lp8_1_3 for Logarithmic Posits, e4m3 for minifloats. Behind a ReLU
        integers are unsigned, as Brevitas' own QuantReLU has it; the others keep their sign.
        """
        if name.startswith("int"):
            return cls(name, name, f"u{name}", "int8", "int8", "uint8")
        edge = "lp8_1_3" if name.startswith("lp") else "e4m3"
        return cls(name, name, name, edge, edge, edge)


class Quantised(Float):
    """The same layers with quantisers of pyqkit.

    Parameters
    ----------
    formats : Formats
    weight_options, activation_options : dict, optional
        For `pyqkit.quant.weight_quantizer` and `pyqkit.quant.act_quantizer`.
    """

    def __init__(self, formats: Formats, weight_options: dict | None = None, activation_options: dict | None = None) -> None:
        self.formats = formats
        self.weight_options, self.activation_options = weight_options or {}, activation_options or {}

    def weights(self, name: str) -> type:
        """Quantiser of the weights of a layer."""
        from pyqkit.quant import weight_quantizer

        return weight_quantizer(name, **self.weight_options)

    def activations(self, name: str) -> type:
        """Quantiser of activations."""
        from pyqkit.quant import act_quantizer

        return act_quantizer(name, **self.activation_options)

    def _quantise(self, name: str) -> nn.Module:
        import brevitas.nn as qnn

        return qnn.QuantIdentity(act_quant=self.activations(name), return_quant_tensor=False)

    def input(self, signed: bool) -> nn.Module:
        return self._quantise(self.formats.edge_signed if signed else self.formats.edge_unsigned)

    def relu(self) -> nn.Module:
        import brevitas.nn as qnn

        return qnn.QuantReLU(act_quant=self.activations(self.formats.unsigned), return_quant_tensor=False)

    def identity(self) -> nn.Module:
        return self._quantise(self.formats.signed)

    def pooled(self) -> nn.Module:
        return self._quantise(self.formats.edge_unsigned)

    def conv(self, inputs: int, outputs: int, kernel: int, edge: bool = False, **options: object) -> nn.Module:
        import brevitas.nn as qnn

        weights = self.weights(self.formats.edge_weight if edge else self.formats.weight)
        return qnn.QuantConv2d(inputs, outputs, kernel, weight_quant=weights, **{"bias": False, **options})

    def linear(self, inputs: int, outputs: int) -> nn.Module:
        import brevitas.nn as qnn

        return qnn.QuantLinear(inputs, outputs, bias=True, weight_quant=self.weights(self.formats.edge_weight))


class Residual(nn.Module):
    """conv-bn-ReLU-conv-bn, plus shortcut, ReLU. The sum is rounded once, by the quantiser of the last ReLU."""

    def __init__(self, layers: Float, inputs: int, outputs: int, stride: int, shortcut: nn.Module | None) -> None:
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

    def __init__(self, layers: Float, blocks: int, shortcut: Callable[[Float, int, int], nn.Module], classifier: str) -> None:
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
                units.append(Residual(layers, inputs, outputs, 1 + shrinks, shortcut(layers, inputs, outputs) if shrinks else None))
                inputs = outputs
            self.add_module(f"layer{stage}", nn.Sequential(*units))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.pooled = layers.pooled()
        self.classifier = classifier
        self.add_module(classifier, layers.linear(64, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(self.input(x))))
        x = self.layer3(self.layer2(self.layer1(x)))
        return getattr(self, self.classifier)(self.pooled(self.pool(x).flatten(1)))


class TensorflowBlock(nn.Module):
    """Residual block with TensorFlow's "same" padding: nothing left and above, one pixel right and below, at stride 2."""

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

    `join` is the ReLU and quantiser of both halves; all units of a stage share one, so that codes can be concatenated
    and the half that passes untouched is never rounded again.
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
        self.conv1 = _branch(("0", layers.conv(3, 24, 3, edge=True, padding=1)), ("1", nn.BatchNorm2d(24)), ("relu", layers.relu()))
        inputs = 24
        for stage, (outputs, units) in enumerate(((48, 4), (96, 8), (192, 4)), 2):
            join = layers.relu()
            first = ShuffleUnit(layers, inputs, outputs, 2, join)
            self.add_module(
                f"stage{stage}", nn.Sequential(first, *(ShuffleUnit(layers, outputs, outputs, 1, join) for _ in range(units - 1)))
            )
            inputs = outputs
        self.conv5 = _branch(("0", layers.conv(192, 1024, 1)), ("1", nn.BatchNorm2d(1024)), ("relu", layers.relu()))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.pooled = layers.pooled()
        self.fc = layers.linear(1024, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage4(self.stage3(self.stage2(self.conv1(self.input(x)))))
        return self.fc(self.pooled(self.pool(self.conv5(x)).flatten(1)))


@dataclass(frozen=True)
class Entry:
    """A network of the zoo.

    Attributes
    ----------
    weights : str
        File in the data folder.
    build : callable
        Layers to a module.
    normalisation : tuple or None
        Mean and standard deviation of each colour of x / 255; None leaves pixels 0..255.
    top1 : float
        Recorded for these weights, per cent of the 5,000 test images of the data folder.
    merged : bool
        Quantised with its batch norms merged into the convolutions. Branches of a residual sum then meet in narrow
        integers, and four bits cost less accuracy; depthwise convolutions lose by it.
    """

    weights: str
    build: Callable[[Float], nn.Module]
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None
    top1: float
    merged: bool


NETWORKS: dict[str, Entry] = {
    "resnet8": Entry("resnet8_mlperftiny_cifar10.npz", ResNet8, None, 86.98, True),
    "resnet20": Entry("resnet20_cifar10.npz", lambda q: ResNet(q, 3, zero_padded, "linear"), IMAGENET, 91.48, True),
    "resnet44": Entry("resnet44_cifar10.npz", lambda q: ResNet(q, 7, zero_padded, "linear"), IMAGENET, 92.92, True),
    "resnet20b": Entry("resnet20b_cifar10.npz", lambda q: ResNet(q, 3, projected, "fc"), CIFAR, 92.56, True),
    "shufflenet": Entry("shufflenetv2_x0_5_cifar10.npz", ShuffleNet, CIFAR, 90.36, False),
}


def load(name: str, data: Path, layers: Float | None = None, merged: bool | None = None) -> nn.Module:
    """A network with its weights, ready for inference; a quantised one is not yet calibrated. `merged` overrules the entry."""
    entry = NETWORKS[name]
    merged = entry.merged if merged is None else merged
    network = entry.build(layers or Float())
    with np.load(data / entry.weights, allow_pickle=False) as archive:
        state = {key: torch.from_numpy(archive[key]) for key in archive.files}
    found = network.load_state_dict(state, strict=False)
    missing = [key for key in found.missing_keys if not key.endswith("num_batches_tracked") and "_quant" not in key]
    if missing or found.unexpected_keys:
        raise ValueError(f"the weights of {name} were expected, but {missing + found.unexpected_keys} do not match; check the archive")
    if merged and isinstance(layers, Quantised):
        merge_batch_norms(network)
    return network.eval()


def merge_batch_norms(network: nn.Module) -> None:
    """Move every batch norm into the convolution that is defined right before it, as all networks here have it."""
    from brevitas.nn.utils import merge_bn

    for parent in list(network.modules()):
        convolution = None
        for key, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                convolution = child
            elif isinstance(child, nn.BatchNorm2d):
                merge_bn(convolution, child)
                setattr(parent, key, nn.Identity())


def images(name: str, pixels: np.ndarray) -> np.ndarray:
    """Input of a network, float32 NCHW, of uint8 NHWC pixels."""
    normalisation = NETWORKS[name].normalisation
    x = pixels.astype(np.float64)
    if normalisation is not None:
        x = (x / 255 - normalisation[0]) / normalisation[1]
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)


def batches(x: np.ndarray, size: int = 100) -> Iterator[Tensor]:
    """Consecutive batches."""
    for first in range(0, len(x), size):
        yield torch.from_numpy(x[first : first + size])


def logits(network: nn.Module, x: np.ndarray, size: int = 100) -> np.ndarray:
    """Outputs of a network for all images."""
    with torch.inference_mode():
        return np.concatenate([network(batch).numpy() for batch in batches(x, size)])
