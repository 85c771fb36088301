"""What a forward does, as a graph of `torch.fx`: also where it asks how large a tensor is.

Sizes are numbers of the frames that the network is followed with, but for the axis of the batch, which stays
open. So a forward may take tensors apart in a loop, pass ``*x.shape[:2]`` on, and decide by sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import getitem
from typing import Any

import torch
from torch import Tensor, fx, nn


def followed(root: nn.Module, optional: dict[str, Any], frames: Tensor) -> fx.Graph:
    """The graph of a module.

    Parameters
    ----------
    root : torch.nn.Module
    optional : dict
        Values of the forward's arguments but the first.
    frames : Tensor
        One or more.

    Raises
    ------
    Exception
        Whatever the forward raises where it meets numbers that are not known.
    """
    for tracer in (fx.Tracer(), _WithBuffers()):
        try:
            return tracer.trace(root, concrete_args=optional or None)
        except Exception:  # what a forward does with what it cannot know; the last tracer knows the most
            continue
    return _WithSizes(frames).trace(root, concrete_args=optional or None)


class _WithBuffers(fx.Tracer):
    """Buffers may be cut by sizes of the input, as masks are; they may not decide anything."""

    proxy_buffer_attributes = True


class _WithSizes(fx.Tracer):
    """Computes nodes as they are made, for one frame and for two: sizes that differ are those of batches."""

    def __init__(self, frames: Tensor) -> None:
        super().__init__()
        self._batches = frames[:1], torch.cat([frames[:1], frames[:1]])
        self._runs: list[fx.Interpreter] = []
        self._running = False  # a node, not the forward

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Sized(node, self)

    def iter(self, obj: fx.Proxy) -> Iterator[Any]:
        known = self.values(obj.node)
        if any(not isinstance(value, (tuple, list)) for value in known):
            return super().iter(obj)
        return iter([getitem(obj, place) for place in range(len(known[0]))])

    def values(self, node: fx.Node) -> list[Any]:
        """What a node gives, for one frame and for two."""
        if not self._runs:
            self._runs = [self._run(batch) for batch in self._batches]
        self._running = True
        for run in self._runs:
            for each in self.graph.nodes:
                if each not in run.env:
                    run.env[each] = run.run_node(each)
        self._running = False
        return [run.env[node] for run in self._runs]

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        return forward(*args, **kwargs) if self._running else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        return attr_val if self._running else super().getattr(attr, attr_val, parameter_proxy_cache)

    def _run(self, batch: Tensor) -> fx.Interpreter:
        run = fx.Interpreter(self.root, garbage_collect_values=False, graph=self.graph)
        run.extra_traceback = False
        run.args_iter = iter([batch])
        return run


class _Sized(fx.Proxy):
    """What a node gives, with sizes that are numbers."""

    tracer: _WithSizes

    @property
    def shape(self) -> Any:
        return self._sizes()

    @property
    def ndim(self) -> int:
        return len(self._sizes())

    def __len__(self) -> int:
        lengths = {len(value) for value in self.tracer.values(self.node)}
        return lengths.pop() if len(lengths) == 1 else super().__len__()

    def dim(self) -> int:
        """As that of a tensor."""
        return self.ndim

    def size(self, dim: int | None = None) -> Any:
        """As that of a tensor."""
        return self._sizes() if dim is None else self._sizes()[dim]

    def _sizes(self) -> tuple[Any, ...]:
        one, two = (tuple(value.shape) for value in self.tracer.values(self.node))
        if one == two:
            return one
        open_sizes = fx.proxy.Attribute(self, "shape")
        return tuple(a if a == b else getitem(open_sizes, axis) for axis, (a, b) in enumerate(zip(one, two)))
