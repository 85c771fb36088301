"""From a float network and calibration frames to a quantised network, in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from pyqkit.errors import UserError, brief
from pyqkit.quant.ptq.frames import checked
from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.recipe import Per, Recipe, Scaling, Search
from pyqkit.quant.ptq.step import Stage, Step

Say = Callable[[str], None]
MICROSCOPIQ = "microscopiq"


def quantise(
    model: nn.Module,
    data: Any,
    *,
    weights: str = "e2m1",
    acts: str = "",
    ends: str = "",
    recipe: str = "",
    per: Per = "channel",
    scaling: Scaling = "power_of_two",
    weight_scale: Search = "mse",
    act_scale: Search = "mse",
    percentile: float = 99.99,
    signed: bool = False,
    bits: int | None = None,
    keep: Sequence[str] = (),
    seed: int = 0,
    say: Say | None = None,
) -> nn.Module:
    """Quantise a trained network without training it again.

    Parameters
    ----------
    model : torch.nn.Module
        Of PyTorch's own layers, in eval mode; it is left as it is. Calls of functions (``torch.relu``, ``+``,
        ``torch.cat``) are followed, layers that cannot be rewritten are named.
    data : array or Tensor, shape (frames, *shape of the input)
        Calibration frames, preprocessed as in training; a few hundred are usual.
    weights, acts : str
        Formats as `pyqkit.formats.parse` has them; activations have that of the weights if none is given.
        Where a tensor is never negative, the unsigned twin of equal bits is taken.
    ends : str
        Format of the first and the last layer; one of 8 bits if none is given.
    recipe : str
        Steps joined by plus signs, such as ``"equalise+gptq+round+bias"``; see docs/quantise.md.
    per : {"channel", "tensor"}
        One scale of weights for each output channel, or for the whole tensor.
    scaling : {"power_of_two", "real"}
    weight_scale, act_scale : {"max", "percentile", "mse"}
        Where scales come from; see `pyqkit.quant.ptq.recipe.Recipe`.
    percentile : float
    signed : bool
        No unsigned twins.
    bits : {2, 4}, optional
        Of ``recipe="microscopiq"`` alone, with which every layer gets MicroScopiQ's encoding of so many bits;
        of the other options `acts` and `keep` count then. See docs/microscopiq.md.
    keep : sequence of str
        Of ``recipe="microscopiq"``: layers that stay float.
    seed : int
        Of what steps draw.
    say : callable, optional
        Called with a word on what is being done.

    Returns
    -------
    torch.nn.Module
        For `pyqkit.compile` and `pyqkit.quant.export_qonnx`.

    Raises
    ------
    UserError
        If the network cannot be rewritten, the data do not fit it, or a name is unknown.

    Examples
    --------
    >>> network = quantise(resnet, images[:512], weights="e2m1", recipe="gptq+round")  # doctest: +SKIP
    >>> accelerator = pyqkit.compile(network, images[:1], board="PYNQ-Z2")  # doctest: +SKIP
    """
    if recipe == MICROSCOPIQ:
        from pyqkit.quant import microscopiq  # which stands on steps

        options = microscopiq.Options(bits=2 if bits is None else bits)
        return microscopiq.quantised(model, data, options, acts, keep=keep, say=say)
    if bits is not None or keep:
        raise UserError(
            f"bits and layers to keep were expected with the recipe {MICROSCOPIQ} alone, but the recipe "
            f"{brief(recipe)} came; name formats by weights and acts"
        )
    wanted = Recipe.of(weights, acts, ends, recipe, per, scaling, weight_scale, act_scale, percentile, signed)
    return quantised(model, data, wanted, seed, say).quantised


def quantised(model: nn.Module, data: Any, recipe: Recipe, seed: int = 0, say: Say | None = None) -> Network:
    """As `quantise`, for a `Recipe`; the float network, the quantised one and the data together."""
    return finished(prepared(model, data, recipe.steps, seed, say), recipe, seed, say)


def prepared(
    model: nn.Module, data: Any, steps: Sequence[Step], seed: int = 0, say: Say | None = None
) -> Network:
    """A float network after those steps that change it before it is quantised."""
    say = say or _nothing
    say("following the network")
    network = Network(model, checked(data))
    _take(steps, "float", network, seed, say)
    return network


def finished(network: Network, recipe: Recipe, seed: int = 0, say: Say | None = None) -> Network:
    """A prepared network, quantised, after all other steps of a recipe."""
    say = say or _nothing
    say("finding scales")
    network.quantise(recipe)
    _take(recipe.steps, "calibrated", network, seed, say)
    return network


def _take(steps: Sequence[Step], stage: Stage, network: Network, seed: int, say: Say) -> None:
    """The steps of a stage; torch's generator is left as it was."""
    before = torch.get_rng_state()
    try:
        for step in steps:
            if step.stage == stage:
                say(type(step).__name__)
                step.apply(network, seed)
    finally:
        torch.set_rng_state(before)


def _nothing(word: str) -> None:
    """Say nothing."""
