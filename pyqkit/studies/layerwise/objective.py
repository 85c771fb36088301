"""How far what a quantised network sees in images is from what its float original sees.

An image is a vector: the logits, and what each layer reads, pooled; each part of length one, so that parts
weigh the same, all of them together of length one. The contrastive objective asks that the vector of an image
in the quantised network is nearest to that of the same image in the float network, among all images:

    L = -1/B sum_i log( exp(<q_i, f_i> / t) / sum_j exp(<q_i, f_j> / t) )
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pyqkit.studies.layerwise.evaluator import Pool, View

_TINY = 1e-12


def channel_mean(x: Tensor) -> Tensor:
    """Mean of each channel over its pixels, or of each feature over tokens."""
    return x if x.ndim == 2 else x.mean(_places(x))


def kurtosis(x: Tensor) -> Tensor:
    """Excess kurtosis of each channel over its pixels; 0 where all are equal."""
    if x.ndim == 2:
        return x
    places = _places(x)
    deviation = x - x.mean(places, keepdim=True)
    variance = deviation.square().mean(places)
    fourth = deviation.square().square().mean(places)
    flat = variance <= _TINY
    return torch.where(flat, torch.zeros_like(fourth), fourth / variance.square().clamp_min(_TINY) - 3)


def _places(x: Tensor) -> tuple[int, ...]:
    """Axes of pixels (images, channels, rows, columns) or tokens (images, tokens, features)."""
    return tuple(range(2, x.ndim)) if x.ndim != 3 else (1,)


POOLS: dict[str, Pool] = {"mean": channel_mean, "kurtosis": kurtosis}


@dataclass(frozen=True)
class Objective:
    """What is compared, and how.

    Attributes
    ----------
    local : bool
        Whether what layers read counts beside the logits.
    contrast : bool
        Against the other images; else the mean squared error of the logits, relative to their variance.
    temperature : float
        The smaller, the less of the objective is there for the float network itself; docs/lpq.md has figures.
    """

    local: bool = True
    contrast: bool = True
    temperature: float = 0.03

    def of(self, quantised: View, real: View) -> float:
        """Divergence of a view from that of the float network; small is good."""
        if not self.contrast:
            error = (quantised.logits - real.logits).square().mean()
            return float(error / real.logits.var().clamp_min(_TINY))
        similar = self._vectors(quantised) @ self._vectors(real).T / self.temperature
        return float(-torch.log_softmax(similar, 1).diagonal().mean())

    def _vectors(self, view: View) -> Tensor:
        parts = [view.logits, *(view.points if self.local else ())]
        return torch.cat([_unit(part) for part in parts], 1) / len(parts) ** 0.5


def _unit(x: Tensor) -> Tensor:
    return x.double() / x.double().norm(dim=1, keepdim=True).clamp_min(_TINY)
