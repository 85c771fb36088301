"""Models that compute the same with other weights: outliers put in, and activations made even.

Injection multiplies some channels by a factor and divides where they come from or go to: *input channels* of
layers behind a norm (the norm's gain is divided), and *output channels* where the path to the next layer is
linear or ReLU (its columns are divided). The function stays, up to rounding; the outlier rates do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pyqkit.formats.microscopiq import encode, outliers
from pyqkit.quant.microscopiq import Options
from pyqkit.quant.microscopiq.layer import scales_of
from pyqkit.studies.microscopiq.models import LanguageModel

SHARE = 0.02  # of the channels of each path
_STEPS = 8  # factors that are tried within a power of two


def inject(model: LanguageModel, factor: float, random: np.random.Generator) -> None:
    """Outliers in both directions, in about `SHARE` of the channels of every path, at least one."""
    for path in model.paths():
        count = max(1, round(SHARE * path.count))
        chosen = torch.from_numpy(random.permutation(path.count)[:count])
        factors = torch.ones(path.count)
        factors[chosen] = factor if path.from_norm else 1 / factor
        path.scale(factors)


def migrate(model: LanguageModel, tokens: Tensor, strength: float) -> None:
    """SmoothQuant's migration between norms and the layers behind them (Xiao et al., 2023)."""
    paths = [path for path in model.paths() if path.from_norm]
    largest: dict[nn.Module, Tensor] = {}

    def seen(module: nn.Module, _: object, made: Tensor) -> None:
        largest[module] = made.abs().flatten(0, -2).amax(0)

    hooks = [path.source.register_forward_hook(seen) for path in paths]
    with torch.inference_mode():
        model(tokens)
    for hook in hooks:
        hook.remove()
    for path in paths:
        made = largest[path.source].clone()
        read = torch.stack([reader.weight.detach().abs().amax(0) for reader in path.readers]).amax(0)
        factors = made.clamp(min=1e-5) ** strength / read.clamp(min=1e-5) ** (1 - strength)
        path.scale(factors / factors.log().mean().exp())


def even(model: LanguageModel, options: Options) -> None:
    """Channels of every path multiplied so that the powers of two of blocks along outputs fit them best.

    A block holds the weights of one input, and its exponent is a whole number; the rest of it is put where
    the channel comes from: the gain of a norm, or a layer's outputs.
    """
    steps = 2.0 ** (torch.arange(_STEPS, dtype=torch.float64) / _STEPS - 0.5)
    for path in model.paths():
        errors = torch.zeros(_STEPS, path.count, dtype=torch.float64)
        for reader in path.readers:
            weight = reader.weight.detach().double()
            sized = weight / scales_of(weight[None], options.scaling)[0, :, None]
            for found, step in zip(errors, steps):
                found.index_add_(0, path.channels, _error(sized.T * step, options) / step**2)
        path.scale(steps[errors.argmin(0)].float())


def _error(rows: Tensor, options: Options) -> Tensor:
    """Squared error of each row."""
    made, _ = encode(rows.numpy(), options.bits, options.rule)
    return (torch.from_numpy(made.decode()) - rows).square().sum(-1)


@dataclass(frozen=True)
class Rates:
    """Per cent of the weights of all linear layers that are rounded, along one direction.

    Attributes
    ----------
    outliers : float
        Beyond three deviations of their macro-block.
    adjacent : float
        Outliers beside another one.
    """

    outliers: float
    adjacent: float


def rates(layers: list[nn.Linear], along_outputs: bool) -> Rates:
    """Of layers, with blocks along their outputs or inputs."""
    total = found = beside = 0
    for layer in layers:
        weight = layer.weight.detach().double().numpy()
        far = outliers(weight.T if along_outputs else weight)
        pairs = far[:, 1:] & far[:, :-1]
        near = np.zeros_like(far)
        near[:, 1:] |= pairs
        near[:, :-1] |= pairs
        total, found, beside = total + far.size, found + int(far.sum()), beside + int(near.sum())
    return Rates(100 * found / total, 100 * beside / total)
