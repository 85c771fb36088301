"""MicroScopiQ on whole networks: every linear layer and convolution, in the order in which they run.

A network is followed by running it, not by tracing it: language models that read tokens are as good as
others. Each layer is calibrated on what the rounded layers before it make.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pyqkit.array.contention import of_matrix
from pyqkit.errors import UserError, brief
from pyqkit.formats import Microscaled, parse
from pyqkit.formats.microscopiq import Counts, MicroscopiqTensor
from pyqkit.formats.microscopiq.routing import MICRO
from pyqkit.quant.microscopiq.activations import Microscale, calibrated
from pyqkit.quant.microscopiq.layer import Along, Options, microscopiq
from pyqkit.quant.microscopiq.walk import FloatLayer, each_layer
from pyqkit.quant.ptq.frames import checked
from pyqkit.quant.ptq.layers import channel_axis
from pyqkit.quant.ptq.moments import matched, moments_with, rows

_BATCH = 64
DRAWN = 0.1  # share of the mean moment that draws aimed weights to those of the float layer
ARRAY, VECTORS = 64, 64  # rows and columns of the paper's array, and vectors that come in a row
Say = Callable[[str], None]


class Encoded:
    """What layers carry beside their weights, which are the values that the tensor decodes to."""

    encoded: MicroscopiqTensor
    counts: Counts
    along: Along
    scales: Tensor
    scale_bits: int
    input_quant: Microscale | None


class MicroscopiqLinear(nn.Linear, Encoded):
    """`torch.nn.Linear` whose weights are in MicroScopiQ's encoding."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(
            x if self.input_quant is None else self.input_quant(x), self.weight, self.bias
        )


class MicroscopiqConv2d(nn.Conv2d, Encoded):
    """`torch.nn.Conv2d` whose weights are in MicroScopiQ's encoding."""

    def forward(self, x: Tensor) -> Tensor:
        rounded = x if self.input_quant is None else self.input_quant(x)
        return self._conv_forward(rounded, self.weight, self.bias)


MicroscopiqLayer = MicroscopiqLinear | MicroscopiqConv2d


@dataclass(frozen=True)
class LayerReport:
    """Of a layer.

    Attributes
    ----------
    name : str
    weights, stored_bits : int
        Stored with all metadata, scales of outputs too, and with the places that fill rows up to eight.
    effective_bits : float
        Stored bits of a weight.
    metadata_bits : int
        Stored bits that are no slots of weights.
    outliers, demoted, pruned, clamped : int
        See `pyqkit.formats.microscopiq.Counts`.
    flagged : float
        Share of the micro-blocks that have outliers.
    spread : int
        Difference of the largest and the smallest exponent of blocks that are not zero.
    conflicts : float or None
        Along outputs, share of the requests to one network for all 64 rows of a square array that are not
        served at once, when 64 vectors come in a row (modelled; `pyqkit.array.contention`).
    """

    name: str
    weights: int
    stored_bits: int
    metadata_bits: int
    effective_bits: float
    outliers: int
    demoted: int
    pruned: int
    clamped: int
    flagged: float
    spread: int
    conflicts: float | None

    def to_json(self) -> dict[str, object]:
        """As plain data."""
        return asdict(self)


def report(network: nn.Module) -> tuple[LayerReport, ...]:
    """Of all layers that `quantised` has rounded."""
    return tuple(
        _layer_report(name, module)
        for name, module in network.named_modules()
        if isinstance(module, MicroscopiqLayer)
    )


def _layer_report(name: str, layer: MicroscopiqLayer) -> LayerReport:
    tensor, counts = layer.encoded, layer.counts
    plan = tensor.plan
    zero = (tensor.codes == 0).all(-1) & ~plan.flags
    used = plan.inlier_exponent_of_micros()[~zero]
    fine = plan.outlier_exponents[plan.flags] - tensor.slots.fraction
    both = np.concatenate([used, fine])
    stored = tensor.stored_bits + layer.scale_bits
    conflicts = None
    if layer.along == "outputs":
        conflicts = of_matrix(plan.flags, ARRAY, ARRAY // MICRO, VECTORS, networks=1).rate
    return LayerReport(
        name,
        layer.weight.numel(),
        stored,
        stored - layer.weight.numel() * tensor.slots.bits,
        stored / layer.weight.numel(),
        counts.outliers,
        counts.demoted,
        counts.pruned,
        counts.clamped,
        float(plan.flags.mean()),
        int(both.max() - both.min()) if both.size else 0,
        conflicts,
    )


def quantised(
    model: nn.Module,
    data: Any,
    options: Options | None = None,
    acts: str = "",
    static: bool = False,
    keep: Sequence[str] = (),
    say: Say | None = None,
) -> nn.Module:
    """A copy of a network whose linear layers and convolutions are in MicroScopiQ's encoding.

    Parameters
    ----------
    model : torch.nn.Module
        In eval mode, with one input: real frames, or whole numbers where it has a `torch.nn.Embedding`.
    data : array or Tensor, shape (frames, *shape of the input)
        To calibrate with.
    options : Options, optional
    acts : str
        Blocks of activations, ``mx128_int8narrow`` or ``mx128_int4narrow``; float without.
    static : bool
        One exponent for each layer's activations, not one a block.
    keep : sequence of str
        Layers that stay float.

    Raises
    ------
    UserError
        If there are no calibration data, if weights or activations are not finite, or layers are not run.
    """
    options = options or Options()
    batches = _batches(model, data)
    network = copy.deepcopy(model)
    fmt = _blocks(acts)
    float_inputs = each_layer(model, batches, keep) if options.aimed else repeat(("", None, None))
    for (name, layer, inputs), (_, _, true) in zip(each_layer(network, batches, keep), float_inputs):
        (say or (lambda word: None))(name)
        act = None if fmt is None else calibrated(fmt, inputs, channel_axis(layer), static)
        network = _with(network, layer, _rounded(name, layer, inputs, true, options, act))
    return network


def _blocks(acts: str) -> Microscaled | None:
    fmt = parse(acts) if acts else None
    if fmt is not None and not isinstance(fmt, Microscaled):
        raise UserError(
            f"microscaled blocks were expected for activations, but {brief(acts)} came; take mx128_int8narrow"
        )
    return fmt


def _batches(model: nn.Module, data: Any) -> list[Tensor]:
    if not isinstance(model, nn.Module) or any(module.training for module in model.modules()):
        raise UserError(
            "a torch.nn.Module in evaluation mode was expected, but "
            f"{'one that trains' if isinstance(model, nn.Module) else type(model).__name__} came; call "
            "model.eval() first"
        )
    tokens = torch.as_tensor(data) if isinstance(data, (np.ndarray, Tensor)) else None
    if any(isinstance(module, nn.Embedding) for module in model.modules()):
        if tokens is None or tokens.is_floating_point() or tokens.ndim < 2 or not tokens.numel():
            came = "nothing" if data is None else str(getattr(data, "dtype", type(data).__name__))
            raise UserError(
                f"tokens (sequences, positions) were expected to calibrate with, but {came} came; pass whole "
                "numbers"
            )
        return list(tokens.long().split(_BATCH))
    return list(checked(data).split(_BATCH))


@torch.no_grad()
def _rounded(
    name: str,
    layer: FloatLayer,
    inputs: list[Tensor],
    true: list[Tensor] | None,
    options: Options,
    act: Microscale | None,
) -> MicroscopiqLayer:
    """A layer by what it reads, and aimed at what it makes of what it reads in the float network."""
    x = inputs if act is None else [act(batch) for batch in inputs]
    moments, cross = moments_with(layer, x, true)
    if not bool(torch.isfinite(moments).all()) or not bool(torch.isfinite(layer.weight).all()):
        raise UserError(
            f"finite weights and activations were expected, but those of {name or 'the layer'} hold NaN or "
            "infinity; find out where they come from"
        )
    weight = rows(layer, layer.weight)
    if true is not None:
        weight = matched(weight, moments, cross, DRAWN)
    found = microscopiq(weight, moments, options)
    kind = MicroscopiqLinear if isinstance(layer, nn.Linear) else MicroscopiqConv2d
    made = kind.__new__(kind)
    assert isinstance(made, MicroscopiqLayer)
    made.__dict__.update({key: value for key, value in layer.__dict__.items() if key != "_parameters"})
    made.__dict__.update(_modules={}, _parameters={})
    made.weight = nn.Parameter(found.values.reshape(layer.weight.shape).to(layer.weight))
    made.bias = layer.bias
    made.encoded, made.counts, made.along = found.tensor, found.counts, options.along
    made.scales, made.scale_bits, made.input_quant = found.scales, found.scale_bits, act
    if act is not None:
        act.clamped = 0
    return made


def _with(network: nn.Module, layer: nn.Module, rounded: nn.Module) -> nn.Module:
    """A network with another layer wherever this one is, which may be in several places, or all of it."""
    if network is layer:
        return rounded
    for name, module in list(network.named_modules(remove_duplicate=False)):
        if module is layer:
            network.set_submodule(name, rounded)
    return network
