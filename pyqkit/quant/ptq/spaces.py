"""Channels that can be scaled: what some layers make smaller others make larger, and no output changes.

Between layers with weights stand functions that a positive factor passes through, such as ReLU and pools.
All tensors that these and sums connect form a *space*, which has one factor for each channel.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp, TensorMetadata
from torch.nn import functional

from pyqkit.quant.ptq.layers import WEIGHT_LAYERS
from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.parts import Kind, kind

_PASSED_MODULES = (
    *(nn.ReLU, nn.LeakyReLU, nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d),
)
_PASSED_FUNCTIONS = frozenset(
    {
        *(functional.max_pool1d, functional.max_pool2d, functional.avg_pool1d, functional.avg_pool2d),
        *(functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d),
    }
)
_CLOSED = -1
_NORMS = (nn.LayerNorm, nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass
class Space:
    """Tensors whose channels have a factor in common.

    Attributes
    ----------
    sources, sinks : list of Module
        Layers and norms that make them, layers that read them.
    read : list of str
        Names of `sinks`.
    axes : set of int
        Where sources and sinks have the channels, `_CLOSED` for what no factor passes.
    """

    sources: list[nn.Module] = field(default_factory=list)
    sinks: list[nn.Module] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    axes: set[int] = field(default_factory=set)

    def made_by(self) -> Tensor:
        """Largest magnitude of the weights that make each channel."""
        return torch.stack(
            [_weight(s).reshape(len(_weight(s)), -1).abs().amax(1) for s in self.sources]
        ).amax(0)

    def read_by(self) -> Tensor:
        """Largest magnitude of the weights that read each channel."""
        return torch.stack([_by_input(s).flatten(1).abs().amax(1) for s in self.sinks]).amax(0)

    @torch.no_grad()
    def divide(self, factor: Tensor) -> None:
        """Make each channel smaller by a positive factor, and the weights that read it larger."""
        for source in self.sources:
            for parameter in source.parameters(recurse=False):
                parameter.div_(factor.reshape(-1, *(1,) * (parameter.ndim - 1)))
        for sink in self.sinks:
            weight = _by_input(sink)
            weight.mul_(factor.reshape(-1, *(1,) * (weight.ndim - 1)))


def _weight(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def _by_input(layer: nn.Module) -> Tensor:
    """A view of the weights with the channels that they read first."""
    return _weight(layer) if _is_depthwise(layer) else _weight(layer).transpose(0, 1)


def _is_depthwise(layer: nn.Module) -> bool:
    return (
        isinstance(layer, (nn.Conv1d, nn.Conv2d)) and layer.groups == layer.in_channels == layer.out_channels
    )


def spaces(network: Network) -> list[Space]:
    """Spaces of the float network with a source and a sink, and nothing that a factor does not pass."""
    graph = network.float
    with torch.no_grad():
        ShapeProp(graph).propagate(network.data[:1])
    united = _Union()
    for node in graph.graph.nodes:
        if _passes(graph, node):
            for given in node.all_input_nodes:
                united.join(node, given)
    found: dict[fx.Node, Space] = defaultdict(Space)
    for node in graph.graph.nodes:
        if not _passes(graph, node):
            made, read = found[united.of(node)], [found[united.of(given)] for given in node.all_input_nodes]
            _add(graph, node, made, read)
    return [space for space in found.values() if space.sources and space.sinks and len(space.axes) == 1]


def _add(graph: fx.GraphModule, node: fx.Node, made: Space, read: list[Space]) -> None:
    """Put a node into the space of its result and those of its inputs, or close them."""
    module = graph.get_submodule(str(node.target)) if node.op == "call_module" else nn.Identity()
    if isinstance(module, (*WEIGHT_LAYERS, *_NORMS)) and module.weight is not None:
        made.sources.append(module)
        made.axes.add(_axis(module, node))
    else:
        made.axes.add(_CLOSED)
    for space, given in zip(read, node.all_input_nodes):
        if isinstance(module, nn.Linear) or _is_depthwise(module) or getattr(module, "groups", 0) == 1:
            space.sinks.append(module)
            space.read.append(str(node.target))
            space.axes.add(_axis(module, given))
        else:
            space.axes.add(_CLOSED)


def _axis(module: nn.Module, node: fx.Node) -> int:
    """Where a layer has the channels of a tensor."""
    return len(_shape(node)) - 1 if isinstance(module, (nn.Linear, nn.LayerNorm)) else 1


def _passes(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a positive factor of each channel goes through a node from its inputs to its result."""
    if node.op == "call_module":
        return isinstance(graph.get_submodule(str(node.target)), _PASSED_MODULES)
    does, given = kind(graph, node), [_shape(given) for given in node.all_input_nodes]
    if does is Kind.ADD:  # of two tensors alike, and no constant
        return len(given) == 2 and given[0] == given[1] != () and not node.kwargs
    if does is Kind.MOVE and len(given) == 1:  # flatten behind a global pool
        return given[0][:2] == _shape(node) and all(size == 1 for size in given[0][2:])
    return node.target in _PASSED_FUNCTIONS


def _shape(node: fx.Node) -> tuple[int, ...]:
    """Shape of a tensor; nothing for what is none."""
    meta = node.meta.get("tensor_meta")
    return tuple(meta.shape) if isinstance(meta, TensorMetadata) else ()


class _Union:
    """Sets of nodes, each known by one of them."""

    def __init__(self) -> None:
        self._parent: dict[fx.Node, fx.Node] = {}

    def of(self, node: fx.Node) -> fx.Node:
        while node in self._parent:
            node = self._parent[node]
        return node

    def join(self, first: fx.Node, second: fx.Node) -> None:
        if self.of(first) is not self.of(second):
            self._parent[self.of(first)] = self.of(second)
