"""Methods by their names: how each rounds the linear layers or convolutions of a network."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from itertools import repeat

import numpy as np
import torch
from torch import Tensor, nn

from pyqkit.formats import Microscaled, parse
from pyqkit.quant.microscopiq import Options, quantised, report
from pyqkit.quant.microscopiq.activations import Microscale, calibrated
from pyqkit.quant.microscopiq.network import DRAWN
from pyqkit.quant.microscopiq.walk import FloatLayer, each_layer
from pyqkit.quant.ptq.layers import channel_axis
from pyqkit.quant.ptq.moments import matched as aimed_at
from pyqkit.quant.ptq.moments import moments_with, rows, second_moments
from pyqkit.studies.microscopiq import rounding
from pyqkit.studies.microscopiq.cache import Cache
from pyqkit.studies.microscopiq.conditions import even, migrate
from pyqkit.studies.microscopiq.models import LanguageModel
from pyqkit.studies.microscopiq.rounding import Method, grouped_bits

FLOAT = "float"
HEAD = "lm_head"  # stays float, as embeddings do
MIGRATION = 0.7  # strength, before activations are rounded
_SMOOTH = 0.5  # of SmoothQuant itself
SWEEPS = 2


def _mx(name: str) -> Method:
    fmt = parse(name)
    assert isinstance(fmt, Microscaled)
    return rounding.blocks(fmt)


# Name of a method: what it does to one layer at so many bits.
PLAIN: Mapping[str, Method] = {
    **{f"rtn{b}": rounding.rtn(b, 0) for b in (2, 4)},
    **{f"smoothquant{b}": rounding.rtn(b, 0) for b in (2, 4)},
    **{f"gptq{b}.g{g}": rounding.gptq(b, g) for b in (2, 4) for g in (0, 64, 32, 16)},
    **{f"olive{b}": rounding.olive(b) for b in (2, 4)},
    **{f"gobo{b}": rounding.gobo(b) for b in (2, 4)},
    **{f"mxint{b}": _mx(f"mx128_int{b}narrow_mse") for b in (2, 4)},
    "mxfp4": _mx("mx32_e2m1_mse"),
    **{f"aside{b}.{k}": rounding.outliers_aside(b, k) for b in (2, 4) for k in (128, 8)},
}
MICROSCOPIQ: Mapping[str, tuple[Options, str]] = {
    **{f"msq{b}": (Options(b), "") for b in (2, 4)},
    **{f"msq{b}.floor": (Options(b, rule="floor"), "") for b in (2, 4)},
    **{f"msq{b}.inputs": (Options(b, "inputs"), "") for b in (2, 4)},
    **{f"msq{b}.rtn": (Options(b, compensate=False), "") for b in (2, 4)},
    **{f"msq{b}.natural": (Options(b, ordered=False), "") for b in (2, 4)},
    **{f"msq{b}.shifted": (Options(b, scaling="shift"), "") for b in (2, 4)},
    **{f"msq{b}.swept": (Options(b, sweeps=SWEEPS), "") for b in (2, 4)},
    **{f"msq{b}.scaled": (Options(b, sweeps=SWEEPS, scaling="scale"), "") for b in (2, 4)},
    **{f"msq{b}.aimed": (Options(b, sweeps=SWEEPS, scaling="scale", aimed=True), "") for b in (2, 4)},
    **{f"msq{b}.a{a}": (Options(b), f"mx128_int{a}narrow") for b in (2, 4) for a in (8, 4)},
}
# After channels were made even
EVEN: Mapping[str, str] = {f"msq{b}.even": f"msq{b}.aimed" for b in (2, 4)}
# GPTQ with as many stored bits as MicroScopiQ has in the same layer, by groups of a size found for it: bits,
# whether the largest inputs go first, and which MicroScopiQ. It aims at the float layers where that does.
MATCHED: Mapping[str, tuple[int, bool, str]] = {
    f"gptq{b}.matched{s}{'.ordered' if o else ''}": (b, o, f"msq{b}{s}")
    for b in (2, 4)
    for s in ("", ".shifted", ".scaled", ".aimed")
    for o in (False, True)
}
# With a cache of keys and values in 2 bits too
CACHED: Mapping[str, str] = {f"{name}.kv2": name for name in (FLOAT, "msq2.a8", "msq4.a8")}
METHODS = (FLOAT, *PLAIN, *MICROSCOPIQ, *EVEN, *MATCHED, *CACHED)


def rounded(model: LanguageModel, tokens: Tensor, method: str) -> tuple[nn.Module, int]:
    """A language model after a method, and the stored bits of its layers; `model` may be changed."""
    if method in CACHED:
        made, total = rounded(model, tokens, CACHED[method])
        assert isinstance(made, LanguageModel)
        made.put_cache(Cache())
        return made, total
    if method == FLOAT:
        return model, 32 * sum(layer.weight.numel() for layer in layers(model))
    keep = [name for name, _ in model.named_modules() if name == HEAD]
    if method in EVEN:
        method = EVEN[method]
        even(model, MICROSCOPIQ[method][0])
    if method in MICROSCOPIQ:
        options, acts = MICROSCOPIQ[method]
        if acts:
            migrate(model, tokens, MIGRATION)
        return by_microscopiq(model, tokens, options, acts, keep)
    batches = tokens.split(64)
    if method in MATCHED:
        bits, ordered, like = MATCHED[method]
        options = MICROSCOPIQ[like][0]
        budget = stored(model, tokens, options, keep)
        return model, matched(model, batches, bits, ordered, budget, keep, aimed=options.aimed)
    if method.startswith("smoothquant"):
        migrate(model, tokens, _SMOOTH)
    return model, plain(model, batches, PLAIN[method], keep)


def by_microscopiq(
    network: nn.Module, data: Tensor, options: Options, acts: str, keep: Sequence[str]
) -> tuple[nn.Module, int]:
    """A network in MicroScopiQ's encoding, and the bits that it takes."""
    made = quantised(network, data, options, acts, keep=keep)
    return made, sum(layer.stored_bits for layer in report(made))


def stored(network: nn.Module, data: Tensor, options: Options, keep: Sequence[str]) -> dict[str, int]:
    """Bits of each layer in MicroScopiQ's encoding."""
    return {layer.name: layer.stored_bits for layer in report(quantised(network, data, options, keep=keep))}


@torch.no_grad()
def plain(
    network: nn.Module, batches: Sequence[Tensor], method: Method, keep: Sequence[str], acts: str = ""
) -> int:
    """Round all layers, each by itself, and give the bits that they take.

    Parameters
    ----------
    acts : str
        Blocks of activations such as ``mx128_int8narrow``; float without.
    """
    total = 0
    for _, layer, inputs in each_layer(network, batches, keep):
        found = method(rows(layer, layer.weight), second_moments(layer, _read(layer, inputs, acts)))
        layer.weight.copy_(found.values.reshape(layer.weight.shape))
        total += found.bits
    return total


@torch.no_grad()
def matched(
    network: nn.Module,
    batches: Sequence[Tensor],
    bits: int,
    ordered: bool,
    budget: Mapping[str, int],
    keep: Sequence[str],
    acts: str = "",
    aimed: bool = False,
) -> int:
    """GPTQ whose bits follow a budget from layer to layer.

    Each layer gets the number of groups a row that brings the sum of all layers so far nearest to that of the
    budget.
    """
    wanted = total = 0
    float_layers = each_layer(copy.deepcopy(network), batches, keep) if aimed else repeat(("", None, None))
    for (name, layer, inputs), (_, _, true) in zip(each_layer(network, batches, keep), float_layers):
        wanted += budget[name]
        moments, cross = moments_with(layer, _read(layer, inputs, acts), true)
        weight = rows(layer, layer.weight)
        if true is not None:
            weight = aimed_at(weight, moments, cross, DRAWN)
        columns = weight.shape[-1]
        sizes = sorted({math.ceil(columns / count) for count in range(1, columns // 4)})
        gap = [abs(total + grouped_bits(weight, bits, size) - wanted) for size in sizes]
        method = rounding.gptq(bits, sizes[int(np.argmin(gap))], ordered)
        found = method(weight, moments)
        layer.weight.copy_(found.values.reshape(layer.weight.shape))
        total += found.bits
    return total


def _read(layer: FloatLayer, inputs: list[Tensor], acts: str) -> list[Tensor]:
    """What a layer reads; with `acts` in blocks, from now on."""
    if not acts:
        return inputs
    fmt = parse(acts)
    assert isinstance(fmt, Microscaled)
    act: Microscale = calibrated(fmt, inputs, channel_axis(layer))
    layer.register_forward_pre_hook(lambda _, x: (act(x[0]),))
    return [act(batch) for batch in inputs]


def layers(network: nn.Module, keep: Sequence[str] = (HEAD,)) -> list[FloatLayer]:
    """Those that are rounded."""
    named = network.named_modules()
    return [layer for name, layer in named if isinstance(layer, FloatLayer) and name not in keep]
