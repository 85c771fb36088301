"""The layers of a network in the order in which they run, each with its inputs as they are by then.

A network is run, not traced: whatever its forward does, hooks see what a layer reads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from pyqkit.errors import UserError, listed

FloatLayer = nn.Linear | nn.Conv2d


def each_layer(
    network: nn.Module, batches: Sequence[Tensor], keep: Sequence[str] = ()
) -> Iterator[tuple[str, FloatLayer, list[Tensor]]]:
    """Name, layer and inputs, batch by batch, of every linear layer and convolution.

    A layer may be changed or replaced before the next one is asked for. Layers that share one input get the
    same list.

    Raises
    ------
    UserError
        If the network does not run on the batches, layers of it do not run, or `keep` names none.
    """
    waiting = _in_order(network, batches[0], keep)
    while waiting:
        with torch.no_grad():
            names, inputs = _inputs(network, waiting, batches)
        for name in names:
            layer = network.get_submodule(name)
            assert isinstance(layer, FloatLayer)
            yield name, layer, inputs
        waiting = waiting[len(names) :]


def _in_order(network: nn.Module, batch: Tensor, keep: Sequence[str]) -> list[str]:
    """Names of the layers to round, in the order of their first calls."""
    layers = {m: n for n, m in network.named_modules() if isinstance(m, FloatLayer)}
    unknown = sorted(set(keep) - set(layers.values()))
    if unknown or not set(layers.values()) - set(keep):
        raise UserError(
            f"linear layers or convolutions were expected, but {listed(unknown) or 'none'} came; there are "
            f"{listed(layers.values()) or 'none in the network'}"
        )
    order: dict[str, None] = {}
    hooks = [m.register_forward_pre_hook(lambda m, _: order.setdefault(layers[m])) for m in layers]
    try:
        with torch.no_grad():
            network(batch)
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        raise UserError(
            f"a network that runs on calibration data of shape {tuple(batch.shape)} was expected, but it "
            f"raises {type(error).__name__} ({str(error).splitlines()[0]}); check their shape and range"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    idle = sorted(set(layers.values()) - set(order) - set(keep))
    if idle:
        raise UserError(
            f"calibration data for every layer were expected, but {listed(idle, 5)} do not run; name them in "
            "keep, or run them as modules"
        )
    return [name for name in order if name not in keep]


class _Reached(Exception):
    """All inputs that were asked for are there."""


def _inputs(
    network: nn.Module, waiting: list[str], batches: Sequence[Tensor]
) -> tuple[list[str], list[Tensor]]:
    """The first layers that wait and share one input, and that input, batch by batch."""
    seen: list[Tensor] = []
    shared: list[str] = []

    def reached(name: str, x: Tensor) -> None:
        if name == waiting[0]:
            seen.append(x)
        elif not seen or x is not seen[-1]:
            raise _Reached
        if name not in shared:
            shared.append(name)

    hooks = [
        network.get_submodule(name).register_forward_pre_hook(lambda _, x, name=name: reached(name, x[0]))
        for name in waiting
    ]
    try:
        for batch in batches:
            with contextlib.suppress(_Reached):
                network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return shared, seen
