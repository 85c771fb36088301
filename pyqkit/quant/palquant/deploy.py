"""A network of parallel groups as hardware has it: 8 bits at both ends, a residual stream of 16.

The authors leave image, stem, classifier and the residual stream in float. Here the image, the weights of
stem and classifier and the pooled features take 8 bits, and everything that the residual stream holds is
``int16`` times one power of two for the whole network. What a batch norm in front of the stream multiplies
with has 12 bits, so that no multiplier is wider.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from math import ceil, log2

import brevitas.nn as qnn
import torch
from torch import Tensor, nn

from pyqkit.formats import parse
from pyqkit.quant.brevitas_ptq import calibrate
from pyqkit.quant.palquant.grids import Grid
from pyqkit.quant.palquant.layers import CyclicShuffle
from pyqkit.quant.palquant.resnet import Block, PalResNet
from pyqkit.quant.ptq.quantiser import Quantiser
from pyqkit.quant.quantisers import act_quantizer, weight_quantizer

END, FEATURES, STREAM = "int8", "uint8", "int16"
GAIN_BITS = 12  # of what a batch norm multiplies with, the sign included
_FIRST_STEP = 2.0**-8  # of the stream, until frames say what it holds
_PLACES = ("stream", "branch", "shortcut", "sum")


def prepare(network: PalResNet) -> PalResNet:
    """Put the quantisers of a deployed network in their places, in place; weights stay what they are.

    Names that are in the ``state_dict`` of the network before stay there.
    """
    network.input = qnn.QuantIdentity(act_quant=act_quantizer(END))
    network.pooled = qnn.QuantIdentity(act_quant=act_quantizer(FEATURES))
    stem, head = network.conv1, network.fc
    network.conv1 = qnn.QuantConv2d(
        stem.in_channels,
        stem.out_channels,
        stem.kernel_size,
        stride=stem.stride,
        padding=stem.padding,
        bias=False,
        weight_quant=weight_quantizer(END),
    )
    network.fc = qnn.QuantLinear(
        head.in_features, head.out_features, bias=True, weight_quant=weight_quantizer(END, per="tensor")
    )
    for made, kept in ((network.conv1, stem), (network.fc, head)):
        made.load_state_dict(kept.state_dict(), strict=False)
    for module in list(network.modules()):
        for name in _PLACES:
            if isinstance(getattr(module, name, None), nn.Identity):
                setattr(module, name, Quantiser(parse(STREAM), torch.tensor(_FIRST_STEP)))
    return network


def deploy(network: PalResNet, frames: Tensor) -> PalResNet:
    """A trained network as hardware has it.

    Parameters
    ----------
    network : PalResNet
        Is left as it is.
    frames : Tensor, shape (frames, channels, height, width)
        Representative; ranges are found on them.

    Returns
    -------
    PalResNet
        In eval mode.
    """
    made = copy.deepcopy(network).eval()
    if isinstance(made.input, nn.Identity):
        prepare(made)
    _fit_stream(made, frames)
    calibrate(made, [frames])
    for owner, name, norm, layer in list(_norms(made)):
        setattr(owner, name, FixedNorm.of(norm, layer, _stream_step(made)))
    return made.eval()


def streams(network: nn.Module) -> Iterator[Quantiser]:
    """Quantisers of the residual stream; all have one scale."""
    return (part for part in network.modules() if isinstance(part, Quantiser) and part.format.name == STREAM)


def _stream_step(network: nn.Module) -> float:
    return float(next(streams(network)).scale)


def _fit_stream(network: PalResNet, frames: Tensor) -> None:
    """One step for the stream: the largest number on the frames takes at most half of the range."""
    largest = 0.0

    def note(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        nonlocal largest
        largest = max(largest, float(given[0].abs().max()))

    handles = [part.register_forward_pre_hook(note) for part in streams(network)]
    for part in streams(network):
        part.enabled = False
    with torch.no_grad():
        network(frames)
    for handle in handles:
        handle.remove()
    step = 2.0 ** (ceil(log2(max(largest, 2.0**-14))) - 14)
    for part in streams(network):
        part.become(part.format, torch.tensor(step))
        part.enabled = True


def _norms(network: PalResNet) -> Iterator[tuple[nn.Module, str, nn.BatchNorm2d, nn.Module]]:
    """Batch norms in front of the stream: where each is, and the layer before it."""
    found: list[tuple[nn.Module, str, nn.Module]] = [(network, "bn1", network.conv1)]
    for module in network.modules():
        if isinstance(module, Block):
            last = module.convolutions
            found.append((module, f"bn{last}", module.get_submodule(f"conv{last}")))
            if module.downsample is not None:
                found.append((module.downsample, "1", module.downsample[0]))
        elif isinstance(module, CyclicShuffle):
            found.append((module.conv1, "1", module.conv1[0]))
    for owner, name, layer in found:
        norm = owner.get_submodule(name)
        if isinstance(norm, nn.BatchNorm2d):
            yield owner, name, norm, layer


class FixedNorm(nn.Module):
    """A batch norm for inference, in fixed point: ``gain[c] * x + offset[c]``.

    Parameters
    ----------
    gain, offset : Tensor, shape (channels,)

    Attributes
    ----------
    gain, offset : Tensor
        Whole multiples of powers of two.
    """

    gain: Tensor
    offset: Tensor

    def __init__(self, gain: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("gain", gain[:, None, None])
        self.register_buffer("offset", offset[:, None, None])

    @classmethod
    @torch.no_grad()
    def of(cls, norm: nn.BatchNorm2d, layer: nn.Module, step: float) -> FixedNorm:
        """Of a batch norm behind a layer, in front of a stream of this step.

        A layer of integers gives its plain sums from now on: its gain is in that of the norm.
        """
        assert norm.running_var is not None and norm.running_mean is not None
        gain = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        offset = norm.bias.double() - norm.running_mean.double() * gain
        if isinstance(layer, Grid):
            gain = gain * layer.gain().double()
            layer.gives_sums = True
        largest = max(float(gain.abs().max()), 2.0**-40)
        unit = 2.0 ** (ceil(log2(largest)) - (GAIN_BITS - 1))
        whole = (gain / unit).round().clamp(1 - 2 ** (GAIN_BITS - 1), 2 ** (GAIN_BITS - 1) - 1)
        return cls((whole * unit).float(), ((offset / step).round() * step).float())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain + self.offset
