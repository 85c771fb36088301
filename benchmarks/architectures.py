"""Small networks of the architectures that people quantise.

Each function takes the layers that it is made of (`architecture_layers.py`) and gives a module and the shape
of its input without the batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from architecture_layers import Float
from torch import Tensor, nn

Made = tuple[nn.Module, tuple[int, ...]]
IMAGE = (3, 12, 12)
SERIES = (4, 32)


class Branches(nn.Module):
    """What several modules make of one tensor, joined by a function."""

    def __init__(self, join: Callable[[list[Tensor]], Tensor], *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        return self.join([branch(x) for branch in self.branches])


class Apply(nn.Module):
    """A function of one tensor."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def total(parts: list[Tensor]) -> Tensor:
    """Sum."""
    first, *others = parts
    for part in others:
        first = first + part
    return first


def channels(parts: list[Tensor]) -> Tensor:
    """Concatenation of channels."""
    return torch.cat(parts, 1)


def block(of: Float, inputs: int, outputs: int, kernel: int = 3, **options: int) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    convolution = of.conv(inputs, outputs, kernel, **{"padding": kernel // 2, "bias": False, **options})
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), of.relu())


def linear_block(of: Float, inputs: int, outputs: int, kernel: int = 3, **options: int) -> nn.Sequential:
    """Convolution, batch norm, quantiser of both signs."""
    convolution = of.conv(inputs, outputs, kernel, **{"padding": kernel // 2, "bias": False, **options})
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), of.identity())


def classifier(of: Float, inputs: int, outputs: int = 5) -> nn.Sequential:
    """Global average pool and a linear layer."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), of.identity(), nn.Flatten(), of.linear(inputs, outputs))


def dense(of: Float, *sizes: int, last: nn.Module | None = None) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip(sizes, sizes[1:]):  # noqa: RUF007
        layers += [of.linear(inputs, outputs), of.relu()]
    return nn.Sequential(*layers[:-1], *([last] if last else []))


# ---- perceptrons -------------------------------------------------------------------------------------------


def jet_mlp(of: Float) -> Made:
    return nn.Sequential(of.input(), dense(of, 16, 64, 32, 32, 5, last=nn.Softmax(-1))), (16,)


def autoencoder(of: Float) -> Made:
    return nn.Sequential(of.input(), dense(of, 64, 24, 8, 24, 64)), (64,)


def norm_mlp(of: Float) -> Made:
    layers = [of.linear(20, 16), nn.BatchNorm1d(16), of.relu(), nn.Dropout(0.2), of.linear(16, 4)]
    return nn.Sequential(of.input(), *layers), (20,)


def tanh_mlp(of: Float) -> Made:
    hidden = [of.linear(10, 16), of.after(nn.Tanh()), of.linear(16, 16), of.after(nn.Sigmoid())]
    return nn.Sequential(of.input(), *hidden, of.linear(16, 1)), (10,)


def gelu_mlp(of: Float) -> Made:
    return nn.Sequential(of.input(), of.linear(12, 24), of.after(nn.GELU()), of.linear(24, 12)), (12,)


def silu_mlp(of: Float) -> Made:
    return nn.Sequential(of.input(), of.linear(12, 24), of.after(nn.SiLU()), of.linear(24, 12)), (12,)


def token_mlp(of: Float) -> Made:
    return nn.Sequential(of.input(), of.linear(8, 16), of.relu(), of.linear(16, 6)), (10, 8)


# ---- image classifiers -------------------------------------------------------------------------------------


def lenet(of: Float) -> Made:
    features = [of.conv(1, 6, 5), of.relu(), nn.MaxPool2d(2), of.conv(6, 8, 3), of.relu(), nn.AvgPool2d(2)]
    layers = [*features, nn.Flatten(), of.identity(), dense(of, 72, 12, 10)]
    return nn.Sequential(of.input(), *layers), (1, 20, 20)


def vgg(of: Float) -> Made:
    features = [block(of, 3, 8), block(of, 8, 8), nn.MaxPool2d(2), block(of, 8, 16), nn.MaxPool2d(2)]
    return nn.Sequential(of.input(), *features, nn.Flatten(), dense(of, 144, 16, 5)), IMAGE


def network_in_network(of: Float) -> Made:
    features = [block(of, 3, 8), block(of, 8, 8, 1), nn.MaxPool2d(3, 2, 1), block(of, 8, 5, 1)]
    return nn.Sequential(of.input(), *features, nn.AdaptiveAvgPool2d(1), nn.Flatten()), IMAGE


def residual(of: Float, body: nn.Module, skip: nn.Module | None = None) -> nn.Sequential:
    """Sum of a body and what is beside it, and a ReLU."""
    return nn.Sequential(Branches(total, body, skip or nn.Identity()), of.relu())


def resnet(of: Float) -> Made:
    plain = residual(of, nn.Sequential(block(of, 8, 8), linear_block(of, 8, 8)))
    body = nn.Sequential(block(of, 8, 16, stride=2), linear_block(of, 16, 16))
    strided = residual(of, body, linear_block(of, 8, 16, 1, stride=2))
    return nn.Sequential(of.input(), block(of, 3, 8), plain, strided, classifier(of, 16)), IMAGE


def bottleneck(of: Float) -> Made:
    body = nn.Sequential(block(of, 16, 4, 1), block(of, 4, 4), linear_block(of, 4, 16, 1))
    return nn.Sequential(of.input(), block(of, 3, 16), residual(of, body), classifier(of, 16)), IMAGE


def resnext(of: Float) -> Made:
    body = nn.Sequential(block(of, 16, 8, 1), block(of, 8, 8, groups=4), linear_block(of, 8, 16, 1))
    return nn.Sequential(of.input(), block(of, 3, 16), residual(of, body), classifier(of, 16)), IMAGE


def mobilenet_v1(of: Float) -> Made:
    layers = [block(of, 8, 8, groups=8, stride=2), block(of, 8, 16, 1), block(of, 16, 16, groups=16)]
    return nn.Sequential(of.input(), block(of, 3, 8), *layers, classifier(of, 16)), IMAGE


def mobilenet_v2(of: Float) -> Made:
    def six(inputs: int, outputs: int, kernel: int, **options: int) -> nn.Sequential:
        convolution = of.conv(inputs, outputs, kernel, padding=kernel // 2, bias=False, **options)
        return nn.Sequential(convolution, nn.BatchNorm2d(outputs), of.after(nn.ReLU6()))

    body = nn.Sequential(six(8, 24, 1), six(24, 24, 3, groups=24), linear_block(of, 24, 8, 1))
    inverted = nn.Sequential(Branches(total, body, nn.Identity()), of.identity())
    return nn.Sequential(
        of.input(), six(3, 8, 3), linear_block(of, 8, 8, 1), inverted, classifier(of, 8)
    ), IMAGE


def excitation(of: Float, count: int, gate: nn.Module) -> Branches:
    """Squeeze and excitation: each channel times a number of the frame."""
    squeeze = [nn.AdaptiveAvgPool2d(1), of.identity(), of.conv(count, 4, 1), of.relu(), of.conv(4, count, 1)]
    return Branches(lambda parts: parts[0] * parts[1], nn.Identity(), nn.Sequential(*squeeze, of.after(gate)))


def squeeze_excitation(of: Float) -> Made:
    layers = [block(of, 3, 8), excitation(of, 8, nn.Sigmoid()), of.identity(), block(of, 8, 8)]
    return nn.Sequential(of.input(), *layers, classifier(of, 8)), IMAGE


def mobilenet_v3(of: Float) -> Made:
    stem = nn.Sequential(of.conv(3, 8, 3, padding=1), nn.BatchNorm2d(8), of.after(nn.Hardswish()))
    layers = [stem, excitation(of, 8, nn.Hardsigmoid()), of.identity(), linear_block(of, 8, 8, 1)]
    return nn.Sequential(of.input(), *layers, classifier(of, 8)), IMAGE


def efficientnet(of: Float) -> Made:
    expand = nn.Sequential(of.conv(8, 16, 1, bias=False), nn.BatchNorm2d(16), of.after(nn.SiLU()))
    deep = nn.Sequential(of.conv(16, 16, 3, padding=1, groups=16), nn.BatchNorm2d(16), of.after(nn.SiLU()))
    body = [expand, deep, excitation(of, 16, nn.Sigmoid()), of.identity(), linear_block(of, 16, 8, 1)]
    return nn.Sequential(of.input(), block(of, 3, 8), *body, classifier(of, 8)), IMAGE


def squeezenet(of: Float) -> Made:
    expand = Branches(channels, block(of, 4, 8, 1), block(of, 4, 8))
    return nn.Sequential(of.input(), block(of, 3, 8), block(of, 8, 4, 1), expand, classifier(of, 16)), IMAGE


def inception(of: Float) -> Made:
    parts = [
        block(of, 8, 4, 1),
        nn.Sequential(block(of, 8, 4, 1), block(of, 4, 6)),
        nn.Sequential(block(of, 8, 2, 1), block(of, 2, 4, 5)),
        nn.Sequential(nn.MaxPool2d(3, 1, 1), block(of, 8, 4, 1)),
    ]
    return nn.Sequential(of.input(), block(of, 3, 8), Branches(channels, *parts), classifier(of, 18)), IMAGE


def densenet(of: Float) -> Made:
    first = Branches(channels, nn.Identity(), block(of, 8, 4))
    second = Branches(channels, nn.Identity(), block(of, 12, 4))
    pooled = nn.Sequential(block(of, 16, 8, 1), nn.AvgPool2d(2), of.identity())
    return nn.Sequential(of.input(), block(of, 3, 8), first, second, pooled, classifier(of, 8)), IMAGE


def shuffle(groups: int) -> Apply:
    """Channels of groups, interleaved."""

    def moved(x: Tensor) -> Tensor:
        count, height, width = x.shape[1:]
        return (
            x.view(-1, groups, count // groups, height, width)
            .transpose(1, 2)
            .reshape(-1, count, height, width)
        )

    return Apply(moved)


def shufflenet_v1(of: Float) -> Made:
    body = [block(of, 8, 8, 1, groups=2), shuffle(2), linear_block(of, 8, 8, groups=8)]
    layers = [residual(of, nn.Sequential(*body, linear_block(of, 8, 8, 1, groups=2)))]
    return nn.Sequential(of.input(), block(of, 3, 8), *layers, classifier(of, 8)), IMAGE


def shufflenet_v2(of: Float) -> Made:
    kept = Apply(lambda x: x[:, :4])
    moved = nn.Sequential(Apply(lambda x: x[:, 4:]), block(of, 4, 4, 1), linear_block(of, 4, 4, groups=4))
    layers = [Branches(channels, kept, nn.Sequential(moved, block(of, 4, 4, 1))), shuffle(2)]
    return nn.Sequential(of.input(), block(of, 3, 8), *layers, block(of, 8, 8), classifier(of, 8)), IMAGE


def repvgg(of: Float) -> Made:
    parts = Branches(total, linear_block(of, 8, 8), linear_block(of, 8, 8, 1), nn.BatchNorm2d(8))
    return nn.Sequential(of.input(), block(of, 3, 8), parts, of.relu(), classifier(of, 8)), IMAGE


def cross_stage(of: Float) -> Made:
    def halves(x: Tensor) -> Tensor:
        return torch.chunk(x, 2, 1)[1]

    deep = nn.Sequential(Apply(halves), block(of, 4, 4), block(of, 4, 4))
    parts = Branches(channels, Apply(lambda x: torch.chunk(x, 2, 1)[0]), deep)
    return nn.Sequential(of.input(), block(of, 3, 8), parts, block(of, 8, 8, 1), classifier(of, 8)), IMAGE


def convnext(of: Float) -> Made:
    body = [linear_block(of, 8, 8, 7, groups=8), of.conv(8, 16, 1), of.after(nn.GELU()), of.conv(16, 8, 1)]
    parts = Branches(total, nn.Sequential(*body, of.identity()), nn.Identity())
    return nn.Sequential(of.input(), block(of, 3, 8), parts, of.identity(), classifier(of, 8)), IMAGE


def preactivation(of: Float) -> Made:
    body = [nn.BatchNorm2d(8), of.relu(), of.conv(8, 8, 3, padding=1), nn.BatchNorm2d(8), of.relu()]
    parts = Branches(total, nn.Sequential(*body, of.conv(8, 8, 3, padding=1)), nn.Identity())
    return nn.Sequential(
        of.input(), of.conv(3, 8, 3), of.identity(), parts, of.relu(), classifier(of, 8)
    ), IMAGE


def same_padding(of: Float) -> Made:
    layers = [nn.ZeroPad2d((0, 1, 0, 1)), of.conv(3, 8, 3, stride=2), of.after(nn.LeakyReLU(0.125))]
    return nn.Sequential(of.input(), *layers, nn.AvgPool2d(2, ceil_mode=True), classifier(of, 8)), IMAGE


def averages(of: Float) -> Made:
    layers = [block(of, 3, 8), nn.AvgPool2d(3, 2, 1, count_include_pad=False), of.identity(), block(of, 8, 8)]
    return nn.Sequential(
        of.input(), *layers, Apply(lambda x: x.mean((2, 3))), of.identity(), of.linear(8, 3)
    ), IMAGE


# ---- images to images --------------------------------------------------------------------------------------


def unet(of: Float) -> Made:
    inner = nn.Sequential(nn.MaxPool2d(2), block(of, 8, 16), of.up(16, 8, 2, stride=2), of.relu())
    joined = Branches(channels, nn.Identity(), inner)
    return nn.Sequential(of.input(), block(of, 3, 8), joined, block(of, 16, 8), of.conv(8, 2, 1)), IMAGE


def upsampling_unet(of: Float) -> Made:
    inner = nn.Sequential(nn.MaxPool2d(2), block(of, 8, 8), nn.Upsample(scale_factor=2, mode="nearest"))
    joined = Branches(channels, nn.Identity(), inner)
    return nn.Sequential(of.input(), block(of, 3, 8), joined, block(of, 16, 8), of.conv(8, 2, 1)), IMAGE


def super_resolution(of: Float) -> Made:
    layers = [block(of, 3, 8, 5), of.conv(8, 12, 3, padding=1), nn.PixelShuffle(2)]
    return nn.Sequential(of.input(), *layers), IMAGE


def pyramid(of: Float) -> Made:
    def whole(x: Tensor) -> Tensor:
        return F.interpolate(F.adaptive_avg_pool2d(x, 1), size=(12, 12), mode="nearest")

    dilated = [block(of, 8, 4, padding=d, dilation=d) for d in (2, 3)]
    parts = Branches(channels, block(of, 8, 4, 1), *dilated, nn.Sequential(Apply(whole), block(of, 8, 4, 1)))
    return nn.Sequential(of.input(), block(of, 3, 8), of.identity(), parts, of.conv(16, 2, 1)), IMAGE


class Heads(nn.Module):
    """A trunk and two outputs, as of a detector."""

    def __init__(self, of: Float) -> None:
        super().__init__()
        self.trunk = nn.Sequential(of.input(), of.conv(3, 8, 3, stride=2), of.after(nn.LeakyReLU(0.1)))
        self.boxes, self.classes = of.conv(8, 4, 1), of.conv(8, 3, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.trunk(x)
        return self.boxes(x), torch.sigmoid(self.classes(x))


def detector(of: Float) -> Made:
    return Heads(of), IMAGE


# ---- over time ---------------------------------------------------------------------------------------------


def keywords(of: Float) -> Made:
    layers = [of.conv1d(4, 8, 5, stride=2), nn.BatchNorm1d(8), of.relu(), nn.MaxPool1d(2), of.conv1d(8, 8, 3)]
    ends = [of.relu(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), of.identity(), of.linear(8, 6)]
    return nn.Sequential(of.input(), *layers, *ends), SERIES


def depthwise_keywords(of: Float) -> Made:
    layers = [of.conv(1, 8, 3, stride=2, padding=1), of.relu(), block(of, 8, 8, groups=8), block(of, 8, 8, 1)]
    return nn.Sequential(of.input(), *layers, classifier(of, 8, 6)), (1, 10, 8)


def temporal(of: Float) -> Made:
    def causal(inputs: int, outputs: int, dilation: int) -> nn.Sequential:
        convolution = of.conv1d(inputs, outputs, 3, padding=2 * dilation, dilation=dilation)
        return nn.Sequential(convolution, Apply(lambda x: x[:, :, : -2 * dilation]), of.relu())

    body = nn.Sequential(causal(4, 8, 1), causal(8, 8, 2), of.identity())
    skip = nn.Sequential(of.conv1d(4, 8, 1), of.identity())
    layers = [Branches(total, body, skip), of.relu(), Apply(lambda x: x[:, :, -1]), of.linear(8, 3)]
    return nn.Sequential(of.input(), *layers), SERIES


def gated(of: Float) -> Made:
    value = nn.Sequential(of.conv1d(4, 8, 3), of.after(nn.Tanh()))
    gate = nn.Sequential(of.conv1d(4, 8, 3), of.after(nn.Sigmoid()))
    product = Branches(lambda parts: parts[0] * parts[1], value, gate)
    return nn.Sequential(of.input(), product, of.identity(), of.conv1d(8, 2, 1)), SERIES


ARCHITECTURES: dict[str, Callable[[Float], Made]] = {
    make.__name__: make
    for make in (
        jet_mlp, autoencoder, norm_mlp, tanh_mlp, gelu_mlp, silu_mlp, token_mlp,
        lenet, vgg, network_in_network, resnet, bottleneck, resnext, mobilenet_v1, mobilenet_v2,
        squeeze_excitation, mobilenet_v3, efficientnet, squeezenet, inception, densenet, shufflenet_v1,
        shufflenet_v2, repvgg, cross_stage, convnext, preactivation, same_padding, averages,
        unet, upsampling_unet, super_resolution, pyramid, detector,
        keywords, depthwise_keywords, temporal, gated,
    )
}  # fmt: skip
