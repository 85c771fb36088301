"""`palquant`: a ResNet-style network as one of parallel groups."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

from pyqkit.errors import UserError
from pyqkit.quant.palquant.deploy import prepare
from pyqkit.quant.palquant.grids import check_bits
from pyqkit.quant.palquant.layers import GridConv2d, LsqConv2d, PalConv2d
from pyqkit.quant.palquant.resnet import Groups, Kernel, PalResNet, Shape

_CONVOLUTIONS: Mapping[str, type[GridConv2d]] = {"palquant": PalConv2d, "lsq": LsqConv2d}
_WITHOUT_WEIGHTS = (nn.ReLU, nn.Identity, nn.AdaptiveAvgPool2d, nn.Flatten)


def groups_for(bits: int, hardware_bits: int) -> int:
    """Groups in which a network of `bits` runs on hardware of fewer bits.

    4 on 2 and 8 on 4 are 2 groups, 8 on 2 are 4. An M-bit product takes (M / K)**2 products of K bits, and G
    groups take G: the ideal gain is M / K.

    Parameters
    ----------
    bits, hardware_bits : int
        M and K; K divides M.
    """
    if not 1 <= hardware_bits <= bits <= 16 or bits % hardware_bits:
        raise UserError(
            f"bits that are a multiple of the hardware's were expected, but {bits} on {hardware_bits} came; "
            "choose 4 on 2, 8 on 4 or 8 on 2"
        )
    return bits // hardware_bits


def palquant(
    model: nn.Module,
    groups: int,
    weight_bits: int = 2,
    act_bits: int = 2,
    *,
    quantiser: Literal["palquant", "lsq"] = "palquant",
    shuffle: bool | None = None,
    deployable: bool = False,
) -> PalResNet:
    """A ResNet-style network as parallel groups of few bits, to be trained from scratch.

    Stem and classifier are kept; every other convolution becomes `groups` of what it was, in integers. The
    first weights are drawn from torch's generator; learned ends and steps are found from the first batch in
    training mode.

    Parameters
    ----------
    model : nn.Module
        Of the shape of torchvision's ResNet: ``conv1``, ``bn1``, perhaps ``maxpool``, ``layer1``, ... of
        BasicBlocks or Bottlenecks, a global average pool, one linear layer. It is only read.
    groups : int
        1 for a network as wide as it was.
    weight_bits, act_bits : int
        1 to 8.
    quantiser : {"palquant", "lsq"}
        The method's own, or LSQ.
    shuffle : bool, optional
        Whether a `CyclicShuffle` stands before every stage but the first; where there are several groups by
        default. Shortcuts that are convolutions shuffle channels in any case, as the authors' do.
    deployable : bool
        Image, stem and classifier at 8 bits, a residual stream of 16; see `pyqkit.quant.palquant.deploy`.

    Returns
    -------
    PalResNet

    Raises
    ------
    UserError
        If the network has another shape; the sentence names the layer.
    """
    check_bits(weight_bits, act_bits)
    if quantiser not in _CONVOLUTIONS or not isinstance(groups, int) or groups < 1:
        raise UserError(
            "quantiser 'palquant' or 'lsq' and 1 group or more were expected, but "
            f"{quantiser!r} and {groups!r} came; choose others"
        )
    if not isinstance(model, nn.Module):
        raise UserError(
            f"a network was expected, but a {type(model).__name__} came; pass a torch.nn.Module of the shape "
            "of torchvision's ResNet"
        )
    found = _read(model)
    made = Groups(groups, _CONVOLUTIONS[quantiser], weight_bits, act_bits)
    stem = _wider(found.stem, groups)
    shuffle = groups > 1 if shuffle is None else shuffle
    network = PalResNet(stem, found.maxpool, found.stages, found.classes, made, shuffle)
    return prepare(network) if deployable else network


@dataclass(frozen=True)
class _Found:
    """What a network consists of."""

    stem: nn.Conv2d
    maxpool: nn.MaxPool2d | None
    stages: list[list[Shape]]
    classes: int


def _read(model: nn.Module) -> _Found:
    parts = dict(model.named_children())
    stem, head = parts.pop("conv1", None), None
    if not isinstance(stem, nn.Conv2d) or stem.groups != 1 or stem.bias is not None:
        raise _unknown("conv1", "is no plain convolution without bias")
    if set(stem.dilation) != {1} or stem.padding_mode != "zeros":
        raise _unknown("conv1", "is dilated, or does not pad with zeros")
    _batch_norm(parts.pop("bn1", None), "bn1")
    maxpool: nn.MaxPool2d | None = None
    stages: list[list[Shape]] = []
    for name, part in parts.items():
        if isinstance(part, nn.Sequential) and name == f"layer{len(stages) + 1}":
            stages.append([_block(block, f"{name}.{number}") for number, block in part.named_children()])
        elif isinstance(part, nn.MaxPool2d) and not stages:
            maxpool = copy.deepcopy(part)
        elif isinstance(part, nn.Linear) and part.bias is not None and head is None:
            head = part
        elif not isinstance(part, _WITHOUT_WEIGHTS):
            raise _unknown(name, f"is {_described(part)}")
        elif isinstance(part, nn.AdaptiveAvgPool2d) and part.output_size not in (1, (1, 1)):
            raise _unknown(name, "averages to more than one pixel")
    if head is None or not stages or not all(stages):
        raise _unknown("", "has no stages layer1, layer2, ... of blocks, or no linear layer")
    return _Found(stem, maxpool, stages, head.out_features)


def _described(part: nn.Module) -> str:
    """What a part is that no such network has."""
    without = isinstance(part, nn.Linear) and part.bias is None
    return f"a {type(part).__name__}" + " without bias" * without


def _block(block: nn.Module, path: str) -> Shape:
    """A block by its parts: conv1, bn1, conv2, bn2 and perhaps conv3, bn3, and downsample."""
    parts = {name: part for name, part in block.named_children() if not isinstance(part, _WITHOUT_WEIGHTS)}
    shortcut = parts.pop("downsample", None)
    kernels: list[Kernel] = []
    while f"conv{len(kernels) + 1}" in parts and len(kernels) < 3:
        number = len(kernels) + 1
        kernels.append(_kernel(parts.pop(f"conv{number}"), f"{path}.conv{number}"))
        _batch_norm(parts.pop(f"bn{number}", None), f"{path}.bn{number}")
    if len(kernels) < 2 or parts:
        what = f"it has {next(iter(parts))}" if parts else "it has fewer than two convolutions"
        raise _unknown(path, f"is neither BasicBlock nor Bottleneck: {what}")
    if shortcut is None:
        return Shape(tuple(kernels), None)
    layers = list(shortcut.children())
    if not isinstance(shortcut, nn.Sequential) or len(layers) != 2:
        raise _unknown(f"{path}.downsample", "is no convolution with a batch norm")
    _batch_norm(layers[1], f"{path}.downsample.1")
    return Shape(tuple(kernels), _kernel(layers[0], f"{path}.downsample.0"))


def _kernel(layer: nn.Module, path: str) -> Kernel:
    if not isinstance(layer, nn.Conv2d) or layer.groups != 1 or layer.bias is not None:
        raise _unknown(path, "is no convolution without groups and bias")
    settings = [layer.kernel_size, layer.stride, layer.padding, layer.dilation]
    if any(not isinstance(pair, tuple) or len(set(pair)) != 1 for pair in settings):
        raise _unknown(path, "differs in height and width")
    if layer.padding_mode != "zeros":
        raise _unknown(path, "does not pad with zeros")
    size, stride, padding, dilation = (int(pair[0]) for pair in settings)
    return Kernel(layer.in_channels, layer.out_channels, size, stride, padding, dilation)


def _batch_norm(layer: nn.Module | None, path: str) -> None:
    if not isinstance(layer, nn.BatchNorm2d):
        raise _unknown(path, "is no batch norm")


def _unknown(path: str, reason: str) -> UserError:
    where = f"layer {path}" if path else "it"
    return UserError(
        f"a network of the shape of torchvision's ResNet was expected, but {where} {reason}; build it from "
        "pyqkit.quant.palquant's layers"
    )


def _wider(stem: nn.Conv2d, groups: int) -> nn.Conv2d:
    return nn.Conv2d(
        stem.in_channels,
        stem.out_channels * groups,
        stem.kernel_size,  # type: ignore[arg-type]
        stride=stem.stride,  # type: ignore[arg-type]
        padding=stem.padding,  # type: ignore[arg-type]
        bias=False,
    )
